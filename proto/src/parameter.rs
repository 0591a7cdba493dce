//! An additional parameter of a request.

use serde::{Deserialize, Serialize};

/// The values of a parameter. imgurd sends the parameter once for each value, in this order. A single value is written
/// as a string.
///
/// ```
/// use imgurd_proto::ParameterValue;
///
/// let repeated: ParameterValue = serde_json::from_str(r#"["one", "two"]"#)?;
/// assert_eq!(repeated.values(), ["one", "two"]);
/// assert_eq!(ParameterValue::from("one").values(), ["one"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
pub enum ParameterValue {
    /// It is sent once.
    Once(String),
    /// It is sent for each of these.
    Each(Vec<String>),
}

impl ParameterValue {
    /// All values.
    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::Once(value) => std::slice::from_ref(value),
            Self::Each(values) => values,
        }
    }
}

impl From<&str> for ParameterValue {
    fn from(value: &str) -> Self {
        Self::Once(value.to_owned())
    }
}

impl From<Vec<String>> for ParameterValue {
    /// No values become an empty text, which removes the parameter when settings are changed.
    fn from(mut values: Vec<String>) -> Self {
        match values.len() {
            0 | 1 => Self::Once(values.pop().unwrap_or_default()),
            _ => Self::Each(values),
        }
    }
}
