//! A JSON object that refuses duplicate keys.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// A map of named entries that refuses duplicate names. Ordinary JSON parsers silently keep the
/// last entry.
pub(super) struct Unique<K, T>(pub BTreeMap<K, T>);

impl<K, T> Default for Unique<K, T> {
    fn default() -> Unique<K, T> {
        Unique(BTreeMap::new())
    }
}

impl<'de, K, T> Deserialize<'de> for Unique<K, T>
where
    K: FromStr<Err: fmt::Display> + Ord + fmt::Display,
    T: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Unique<K, T>, D::Error> {
        struct Names<K, T>(PhantomData<(K, T)>);
        impl<'de, K, T> Visitor<'de> for Names<K, T>
        where
            K: FromStr<Err: fmt::Display> + Ord + fmt::Display,
            T: Deserialize<'de>,
        {
            type Value = BTreeMap<K, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with named entries")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let name: K = name.parse().map_err(A::Error::custom)?;
                    if all.contains_key(&name) {
                        return Err(A::Error::custom(format!("duplicate key '{name}'")));
                    }
                    let value = map.next_value()?;
                    all.insert(name, value);
                }
                Ok(all)
            }
        }
        json.deserialize_map(Names(PhantomData)).map(Unique)
    }
}
