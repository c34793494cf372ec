//! Performance data, in the format `'label'=value[UOM];[warn];[crit];[min];[max]`.

use std::fmt;

use crate::range::Range;

/// A number in perfdata. Its format does not depend on the locale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A decimal number, printed with six decimals. Infinite numbers and NaN are printed as `U`.
    Decimal(f64),
    /// A decimal number, printed with as many digits as it needs.
    Exact(f64),
    /// A number of objects or bytes, which is never negative.
    Count(u64),
    /// An integer that can be negative.
    Integer(i64),
    /// A threshold that alerts below this number. It is printed with a colon, for example `30:`.
    AtLeast(u32),
    /// A threshold range.
    Range(Range),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // In the plugin guidelines, `U` means that the value could not be determined.
            Number::Decimal(n) | Number::Exact(n) if !n.is_finite() => f.write_str("U"),
            Number::Decimal(n) => write!(f, "{n:.6}"),
            Number::Exact(n) => write!(f, "{n}"),
            Number::Count(n) => write!(f, "{n}"),
            Number::Integer(n) => write!(f, "{n}"),
            Number::AtLeast(n) => write!(f, "{n}:"),
            Number::Range(range) => write!(f, "{range}"),
        }
    }
}

/// A labelled value with thresholds and limits. A threshold or limit that is `None` is printed as
/// an empty field.
#[derive(Debug, Clone, PartialEq)]
pub struct Perfdata {
    /// Name of the value. When it is printed, `=`, `|` and control characters are dropped, and
    /// quotes are added where the plugin guidelines require them. An item with an empty label is
    /// not printed.
    pub label: String,
    /// Measured value, in `unit`.
    pub value: Number,
    /// Unit of measurement: empty, `s`, `%`, `B` or `c`.
    pub unit: &'static str,
    /// Warning threshold, in `unit`.
    pub warn: Option<Number>,
    /// Critical threshold, in `unit`.
    pub crit: Option<Number>,
    /// Smallest possible value, in `unit`.
    pub min: Option<Number>,
    /// Largest possible value, in `unit`.
    pub max: Option<Number>,
}

impl Perfdata {
    /// Creates an item without thresholds or limits.
    pub fn new(label: impl Into<String>, value: Number, unit: &'static str) -> Perfdata {
        Perfdata { label: label.into(), value, unit, warn: None, crit: None, min: None, max: None }
    }
}

impl fmt::Display for Perfdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.label.is_empty() {
            return Ok(());
        }
        let label: String =
            self.label.chars().filter(|c| *c != '=' && *c != '|' && !c.is_control()).collect();
        if label.contains([' ', '\'']) {
            write!(f, "'{}'", label.replace('\'', "''"))?;
        } else {
            f.write_str(&label)?;
        }
        write!(f, "={}{}", self.value, self.unit)?;
        for field in [self.warn, self.crit, self.min, self.max] {
            f.write_str(";")?;
            if let Some(number) = field {
                write!(f, "{number}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_in_the_format_of_monitoring_plugins() {
        let mut time = Perfdata::new("time", Number::Decimal(0.014128), "s");
        time.min = Some(Number::Decimal(0.0));
        time.max = Some(Number::Decimal(10.0));
        assert_eq!(time.to_string(), "time=0.014128s;;;0.000000;10.000000");
        let mut size = Perfdata::new("size", Number::Count(113), "B");
        size.min = Some(Number::Count(0));
        assert_eq!(size.to_string(), "size=113B;;;0;");
        let mut days = Perfdata::new("days", Number::Integer(-3), "");
        days.warn = Some(Number::AtLeast(30));
        assert_eq!(days.to_string(), "days=-3;30:;;;");
    }

    #[test]
    fn quotes_and_cleans_labels() {
        let item = Perfdata::new("it's=a|b\n", Number::Count(1), "");
        assert_eq!(item.to_string(), "'it''sab'=1;;;;");
    }

    #[test]
    fn prints_nan_as_undetermined() {
        assert_eq!(Perfdata::new("x", Number::Decimal(f64::NAN), "s").to_string(), "x=Us;;;;");
    }
}
