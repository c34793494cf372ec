//! A JSON object of named things.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use policy::RepairName;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// A map of named things that refuses the same name twice: JSON parsers keep the last one silently.
pub(super) struct Unique<T>(pub BTreeMap<RepairName, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Unique<T>, D::Error> {
        struct Names<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Names<T> {
            type Value = BTreeMap<RepairName, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of named repairs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let name: RepairName = name.parse().map_err(A::Error::custom)?;
                    if all.contains_key(&name) {
                        return Err(A::Error::custom(format!("the repair '{name}' stands there twice")));
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
