//! Declares the interface's types: each name once, with optional fields as in the interface text.

/// Structs with public fields. A field `name?: T` is an `Option<T>`: an absent one is left out of a message, and may
/// be left out or `null` in a message that is read (<https://varlink.org/Interface-Definition>).
macro_rules! record {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$about:meta])* $field:ident $(?: $optional:ty)? $(: $required:ty)?,)*
    })*) => {$(
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$about])*
                $(#[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$optional>,)?
                $(pub $field: $required,)?
            )*
        }

        impl $name {
            /// The names of all fields.
            pub const FIELDS: &[&str] = &[$(stringify!($field)),*];
        }
    )*};
}

/// Enums of plain words, each with its name on the wire and for people.
macro_rules! choice {
    ($($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$about:meta])* $variant:ident = $word:literal,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The names of all choices.
            pub const NAMES: &[&str] = &[$($word),*];

            /// Its name on the wire and for people.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::NotAChoice;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(crate::NotAChoice(Self::NAMES)),
                }
            }
        }
    )*};
}
