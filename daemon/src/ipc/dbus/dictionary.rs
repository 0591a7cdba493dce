//! Fields by name: `a{sv}` on D-Bus, a JSON object in the types of the interface.

use std::collections::HashMap;

use imgurd_proto::Error;
use imgurd_proto::text::printable_name;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zbus::{OwnedVariant, Variant};

/// A D-Bus dictionary in an argument.
pub(crate) type Dictionary = HashMap<String, OwnedVariant>;

/// The fields of a record, in an answer.
pub(super) type Fields = HashMap<String, Variant<'static>>;

/// Reads the arguments `P` from the fields in `given`. Ignores unknown fields.
pub(crate) fn arguments<P: DeserializeOwned>(given: &Dictionary) -> Result<P, Error> {
    let fields = given
        .iter()
        .map(|(name, value)| Ok((name.clone(), from_variant(name, value)?)))
        .collect::<Result<Map<_, _>, Error>>()?;
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let (field, what) = (printable_name(&error.path().to_string()), error.inner().to_string());
        // The text before these words contains the value, which may be a secret in the wrong place.
        let (_, expected) = what.rsplit_once("expected ").unwrap_or(("", "what the interface says"));
        Error::invalid(&field, format!("{field} is not valid; give it as {expected}"))
    })
}

/// The fields of `record`, without absent ones.
pub(super) fn dictionary(record: &impl Serialize) -> Fields {
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => variants(fields),
        _ => HashMap::new(),
    }
}

fn from_variant(name: &str, value: &Variant<'_>) -> Result<Value, Error> {
    Ok(match value {
        Variant::Variant(inner) => from_variant(name, inner)?,
        Variant::Str(text) => Value::from(text.as_str()),
        Variant::Bool(flag) => Value::from(*flag),
        Variant::I16(number) => Value::from(*number),
        Variant::U16(number) => Value::from(*number),
        Variant::I32(number) => Value::from(*number),
        Variant::U32(number) => Value::from(*number),
        Variant::I64(number) => Value::from(*number),
        Variant::U64(number) => Value::from(*number),
        Variant::Array(values) => values
            .inner()
            .iter()
            .map(|value| from_variant(name, value))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Variant::Dict(fields) => fields
            .iter()
            .map(|(key, value)| match key {
                Variant::Str(key) => Ok((key.to_string(), from_variant(name, value)?)),
                _ => Err(unfit(name)),
            })
            .collect::<Result<Map<_, _>, Error>>()?
            .into(),
        _ => return Err(unfit(name)),
    })
}

fn variants(fields: Map<String, Value>) -> Fields {
    fields.into_iter().filter_map(|(name, value)| Some((name, variant(value)?))).collect()
}

fn variant(value: Value) -> Option<Variant<'static>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Bool(flag) => Some(flag.into()),
        Value::Number(number) => number.as_i64().map(Variant::from),
        Value::Object(fields) => Some(variants(fields).into()),
        Value::Array(values) => {
            let texts: Vec<_> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            Some(texts.into())
        }
        // D-Bus has no null.
        Value::Null => None,
    }
}

fn unfit(name: &str) -> Error {
    let name = printable_name(name);
    Error::invalid(
        &name,
        format!("{name} has a D-Bus type that no field has; see `busctl --user introspect`"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use imgurd_proto::text::is_printable;
    use imgurd_proto::{Flow, Settings};

    use super::*;

    fn given<const N: usize>(fields: [(&str, Variant<'static>); N]) -> Dictionary {
        fields.map(|(name, value)| (name.to_owned(), value.try_into_owned().unwrap())).into()
    }

    #[test]
    fn settings_survive_conversion_to_a_dictionary() {
        let settings = Settings {
            client_id: Some("fake-client".to_owned()),
            flow: Some(Flow::Pin),
            auto_refresh: Some(false),
            auth_params: Some(BTreeMap::from([
                ("prompt".to_owned(), "login".into()),
                ("resource".to_owned(), vec!["a".to_owned(), "b".to_owned()].into()),
            ])),
            ..Settings::default()
        };
        let sent = dictionary(&settings);
        let received =
            sent.into_iter().map(|(name, value)| (name, value.try_into_owned().unwrap())).collect();
        assert_eq!(arguments::<Settings>(&received).unwrap(), settings);
    }

    #[test]
    fn accepts_a_string_dictionary_for_auth_params() {
        let params = HashMap::from([("prompt".to_owned(), "login".to_owned())]);
        let settings: Settings = arguments(&given([("auth_params", params.into())])).unwrap();
        assert_eq!(settings.auth_params.unwrap()["prompt"].values(), ["login"]);
    }

    #[test]
    fn errors_contain_no_values_or_control_characters() {
        for (name, value) in [
            ("auto_refresh", Variant::from("a secret, expected elsewhere")),
            ("flow", "a secret".into()),
            ("client_id", 5.5.into()),
            ("auth_params", "a secret".into()),
            ("auth_params", HashMap::from([("\u{1b}[2J\u{202e}".to_owned(), 7)]).into()),
            ("\u{1b}[2J\u{202e}", 1.5.into()),
        ] {
            let reason = arguments::<Settings>(&given([(name, value)])).unwrap_err().to_string();
            assert!(is_printable(&reason) && !reason.contains("secret"), "{reason}");
        }
        let error = arguments::<Settings>(&given([("auto_refresh", "yes".into())])).unwrap_err();
        assert_eq!(error.to_string(), "auto_refresh is not valid; give it as a boolean");
    }

    #[test]
    fn ignores_unknown_fields_and_names_invalid_ones() {
        assert_eq!(arguments::<Settings>(&given([("colour", "red".into())])).unwrap(), Settings::default());
        for value in [Variant::from(1.5), Variant::from(7)] {
            let Err(Error::InvalidArgument { field, .. }) = arguments::<Settings>(&given([("scope", value)]))
            else {
                panic!("a scope that is not a string is refused");
            };
            assert_eq!(field, "scope");
        }
    }
}
