//! Actions and resources as data, for a process that lets another one act for it. Data that comes in is checked as the arguments of a
//! script are.
#![doc(hidden)]

use serde_core::de::Error as _;
pub use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

use crate::machine::{EnvVariable, KernelParameter};
use crate::net::{RemoteHost, Url};
use crate::process::{Process, ProcessIdentity, Program, WordList};
use crate::resource::{Host, ServiceManager, Unit};
use crate::{AbsPath, Timestamp, Value};

/// A macro that serializes each type as another one.
macro_rules! data {
    ($($type:ty as $data:ty: $out:expr, $back:expr;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let out: fn(&$type) -> _ = $out;
                out(self).serialize(to)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let back: fn($data) -> Result<Self, String> = $back;
                back(<$data>::deserialize(from)?).map_err(D::Error::custom)
            }
        }
    )*};
}

data! {
    AbsPath as String: |path| path.as_str().to_owned(), |text| Self::parse(&text).map_err(|error| error.to_string());
    Unit as String: |unit| unit.name().to_owned(), |text| Self::parse(&text).map_err(|error| error.to_string());
    KernelParameter as String: |name| name.name().to_owned(), |text| Self::parse(&text).map_err(|error| error.to_string());
    EnvVariable as String: |name| name.name().to_owned(), |text| Self::parse(&text).map_err(|error| error.to_string());
    RemoteHost as String: |host| host.name().to_owned(), |text| Self::parse(&text).map_err(|error| error.to_string());
    Url as String: |url| url.as_str().to_owned(), |text| Self::parse(&text).map_err(|error| error.to_string());
    ServiceManager as (): |_| (), |()| Ok(Self);
    Host as (): |_| (), |()| Ok(Self);
    Timestamp as i64: |time| time.as_micros(), |micros| Ok(Self::from_micros(micros));
    WordList as Vec<String>: |words| words.as_slice().to_vec(), |words| Ok(Self::new(words));
    Program as (AbsPath, String): |program| (program.path.clone(), program.sha256.clone()),
        |(path, sha256)| Ok(Self { path, sha256 });
    Process as (u32, String, [Option<String>; 3], u64): |process| {
        let ProcessIdentity { name, exe, user, unit, started } = process.identity().clone();
        (process.pid(), name, [exe, user, unit], started)
    }, |(pid, name, [exe, user, unit], started)| Ok(Self::new(pid, ProcessIdentity { name, exe, user, unit, started }));
}

/// A value as JSON: bytes come back as a list of numbers.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fn value(json: serde_json::Value) -> Value {
            match json {
                serde_json::Value::Null => Value::Null,
                serde_json::Value::Bool(value) => Value::Bool(value),
                serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(value), _) => Value::Int(value),
                    (None, value) => Value::Float(value.unwrap_or(f64::NAN)),
                },
                serde_json::Value::String(text) => Value::Text(text),
                serde_json::Value::Array(all) => Value::List(all.into_iter().map(value).collect()),
                serde_json::Value::Object(all) => {
                    Value::Map(all.into_iter().map(|(key, entry)| (key, value(entry))).collect())
                }
            }
        }
        serde_json::Value::deserialize(from).map(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::process::Signal;

    #[test]
    fn what_goes_out_comes_back() {
        let process =
            Process::new(7, ProcessIdentity { name: "a b".to_owned(), started: 9, ..ProcessIdentity::default() });
        let text = serde_json::to_string(&(&process, Signal { signal: "TERM".to_owned() }, Host)).unwrap();
        let back: (Process, Signal, Host) = serde_json::from_str(&text).unwrap();
        assert_eq!((back.0, &*back.1.signal), (process, "TERM"));
    }

    #[test]
    fn what_is_none_does_not_come_in() {
        for text in ["\"a/../b\"", "\"relative\"", "7"] {
            assert!(serde_json::from_str::<AbsPath>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Unit>("\"a b\"").is_err());
    }
}
