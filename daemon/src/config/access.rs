//! The section `[access]`: who gets tokens without a question.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml_edit::Document;

use super::error::{ConfigError, in_file};
use super::gateway::GatewayClient;

/// What happens when a caller requests a token. A stricter rule is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// It gets the token.
    Allow,
    /// imgurd asks the user.
    Ask,
    /// It does not get the token.
    Deny,
}

/// The class of a caller that a rule applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Unsandboxed programs of this user.
    Unsandboxed,
    /// Sandboxed programs.
    Sandboxed,
    /// Callers on the socket for other machines.
    Remote,
    /// Clients of the gateway.
    Gateway,
}

impl Class {
    /// Its name in config.toml.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsandboxed => "unsandboxed",
            Self::Sandboxed => "sandboxed",
            Self::Remote => "remote",
            Self::Gateway => "gateway",
        }
    }
}

/// The section `[access]`, and the accounts' own rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    section: Section,
    /// The rules of each account that has some, by the name of an application or a class.
    accounts: BTreeMap<String, BTreeMap<String, Rule>>,
}

impl Access {
    /// The rule for exactly this application and this account, if there is one.
    #[must_use]
    pub fn by_name(&self, application: &str, account: &str) -> Option<Rule> {
        self.accounts.get(account)?.get(application).copied()
    }

    /// The rule for this class: the account's own one, or else the general one.
    #[must_use]
    pub fn by_class(&self, class: Class, account: &str) -> Rule {
        self.by_name(class.as_str(), account).unwrap_or(match class {
            Class::Unsandboxed => self.section.unsandboxed,
            Class::Sandboxed => self.section.sandboxed,
            Class::Remote => self.section.remote,
            Class::Gateway => self.section.gateway,
        })
    }
}

/// The names in rules that need no prefix and have no dot.
const WORDS: [&str; 5] = ["unsandboxed", "sandboxed", "remote", "gateway", "unknown"];

impl Access {
    /// Refuses a rule with the bare name of a gateway client, which would apply to no program. `at` adds the line.
    pub(super) fn check_clients(
        &self,
        clients: &BTreeMap<String, GatewayClient>,
        at: impl Fn(&[&str], ConfigError) -> ConfigError,
    ) -> Result<(), ConfigError> {
        let is_bare = |name: &&String| {
            clients.contains_key(*name) && !name.contains('.') && !WORDS.contains(&name.as_str())
        };
        for (account, rules) in &self.accounts {
            if let Some(name) = rules.keys().find(is_bare) {
                let reason = format!(
                    "{name} is a gateway client, and no other program has this name; write \"gateway:{name}\""
                );
                return Err(at(&["accounts", account, "access"], ConfigError::new(name, reason)));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Section {
    unsandboxed: Rule,
    sandboxed: Rule,
    remote: Rule,
    gateway: Rule,
}

impl Default for Section {
    fn default() -> Self {
        Self { unsandboxed: Rule::Allow, sandboxed: Rule::Ask, remote: Rule::Ask, gateway: Rule::Ask }
    }
}

impl Section {
    /// Adds the accounts' own rules, from the same text.
    pub(super) fn check(self, document: &Document<String>) -> Result<Access, ConfigError> {
        let own: OwnRules = toml_edit::de::from_document(document.clone())
            .map_err(|error: toml_edit::de::Error| in_file(&error.to_string()))?;
        let rules = own.accounts.into_iter().map(|(name, account)| (name, account.access));
        let accounts = rules.filter(|(_, rules)| !rules.is_empty()).collect();
        Ok(Access { section: self, accounts })
    }
}

#[derive(Deserialize)]
struct OwnRules {
    #[serde(default)]
    accounts: BTreeMap<String, OwnRulesOfOne>,
}

#[derive(Deserialize)]
struct OwnRulesOfOne {
    #[serde(default)]
    access: BTreeMap<String, Rule>,
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn by_default_only_unsandboxed_programs_are_allowed() {
        let access = parse("").unwrap().access;
        let rules = [Class::Unsandboxed, Class::Sandboxed, Class::Remote];
        assert_eq!(rules.map(|class| access.by_class(class, "me")), [Rule::Allow, Rule::Ask, Rule::Ask]);
        assert_eq!(access.by_name("org.example.App", "me"), None);
    }

    #[test]
    fn an_accounts_rules_override_the_general_rules() {
        let text = "[access]\nunsandboxed = \"ask\"\nremote = \"deny\"\n[accounts.a]\nclient_id = \"x\"\n\
                    [accounts.a.access]\nremote = \"allow\"\n\"org.example.App\" = \"deny\"\n\
                    [accounts.b]\nclient_id = \"y\"\n";
        let access = parse(text).unwrap().access;
        assert_eq!(access.by_class(Class::Remote, "a"), Rule::Allow);
        assert_eq!(access.by_class(Class::Remote, "b"), Rule::Deny);
        assert_eq!(access.by_class(Class::Unsandboxed, "a"), Rule::Ask);
        assert_eq!(access.by_name("org.example.App", "a"), Some(Rule::Deny));
        assert_eq!(access.by_name("org.example.App", "b"), None);
    }

    #[test]
    fn a_rule_for_a_gateway_client_needs_the_prefix() {
        let with = |rule: &str| {
            parse(&format!(
                "[accounts.a]\nclient_id = \"x\"\n[accounts.a.access]\n\"{rule}\" = \"deny\"\n[gateway.clients.postman]\n\
                 [gateway.clients.remote]\n"
            ))
        };
        let reason = with("postman").unwrap_err().reason;
        assert!(reason.contains("line 4") && reason.contains("\"gateway:postman\""), "{reason}");
        assert!(with("gateway:postman").is_ok() && with("remote").is_ok());
    }

    #[test]
    fn an_invalid_rule_is_reported_with_its_line() {
        for (text, line) in [
            ("[access]\nunsandboxed = \"maybe\"\n", "line 2"),
            ("[access]\nsandbox = \"ask\"\n", "line 2"),
            (
                "[accounts.a]\nclient_id = \"x\"\n[accounts.a.access]\n\"org.example.App\" = \"yes\"\n",
                "line 4",
            ),
            ("[accounts.a]\nclient_id = \"x\"\naccess = \"deny\"\n", "line 3"),
        ] {
            let reason = parse(text).unwrap_err().reason;
            assert!(reason.contains(line), "{text:?} gave {reason:?}");
        }
    }
}
