//! What each class of callers may do: a table of methods, and the rules of config.toml.

use crate::config::{Access, Class, Rule};

/// What a method requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: every caller that may connect may see which methods exist.
    Nothing,
    /// That the rules let the caller have the account's token.
    Token,
    /// Access to the account's state: unsandboxed programs see all accounts, other callers those whose token
    /// they may have.
    Sight,
    /// An unsandboxed program of the same user that may also have the account's token, because the answer
    /// contains it.
    OwnToken,
    /// An unsandboxed program of the same user.
    Own,
}

/// What each method requires, by its full name. A method without a row does not exist.
const METHODS: [(&str, Needs); 38] = [
    ("org.imgurd.Keeper1.GetToken", Needs::Token),
    ("org.imgurd.Keeper1.GetTokenFd", Needs::Token),
    ("org.imgurd.Keeper1.RejectToken", Needs::Token),
    ("org.imgurd.Keeper1.Refresh", Needs::OwnToken),
    ("org.imgurd.Keeper1.ListAccounts", Needs::Sight),
    ("org.imgurd.Keeper1.Watch", Needs::Sight),
    ("org.imgurd.Keeper1.AddAccount", Needs::Own),
    ("org.imgurd.Keeper1.SetAccount", Needs::Own),
    ("org.imgurd.Keeper1.RemoveAccount", Needs::Own),
    ("org.imgurd.Keeper1.ImportGrant", Needs::Own),
    ("org.imgurd.Keeper1.RestoreGrant", Needs::Own),
    ("org.imgurd.Keeper1.ExportGrant", Needs::OwnToken),
    ("org.imgurd.Keeper1.GetCredits", Needs::Own),
    ("org.imgurd.Keeper1.Login", Needs::Own),
    ("org.imgurd.Keeper1.GetLogin", Needs::Own),
    ("org.imgurd.Keeper1.CompleteLogin", Needs::Own),
    ("org.imgurd.Keeper1.CancelLogin", Needs::Own),
    ("org.imgurd.Keeper1.Logout", Needs::Own),
    ("org.imgurd.Keeper1.UnlockStore", Needs::Own),
    ("org.imgurd.Keeper1.ListPermits", Needs::Own),
    ("org.imgurd.Keeper1.SetPermit", Needs::Own),
    ("org.imgurd.Keeper1.RemovePermit", Needs::Own),
    ("org.imgurd.Keeper1.ReadJournal", Needs::Own),
    ("org.imgurd.Keeper1.SetGateway", Needs::Own),
    ("org.imgurd.Keeper1.ListGatewayClients", Needs::Own),
    ("org.imgurd.Keeper1.SetGatewayClient", Needs::Own),
    ("org.imgurd.Keeper1.RemoveGatewayClient", Needs::Own),
    ("org.imgurd.Keeper1.Discover", Needs::Own),
    ("org.imgurd.Keeper1.Probe", Needs::Own),
    ("org.varlink.service.GetInfo", Needs::Nothing),
    ("org.varlink.service.GetInterfaceDescription", Needs::Nothing),
    ("org.freedesktop.DBus.ObjectManager.GetManagedObjects", Needs::Sight),
    ("org.freedesktop.DBus.Properties.Get", Needs::Sight),
    ("org.freedesktop.DBus.Properties.GetAll", Needs::Sight),
    ("org.freedesktop.DBus.Properties.Set", Needs::Own),
    ("org.freedesktop.DBus.Introspectable.Introspect", Needs::Nothing),
    ("org.freedesktop.DBus.Peer.Ping", Needs::Nothing),
    ("org.freedesktop.DBus.Peer.GetMachineId", Needs::Nothing),
];

/// What the method with this full name requires; `None` if there is no such method.
#[must_use]
pub fn needs(method: &str) -> Option<Needs> {
    METHODS.iter().find(|(name, _)| *name == method).map(|(_, needs)| *needs)
}

/// The rule for a caller that wants an account's token. A rule for this application and account comes first, then a
/// remembered permit, then the rule for the class.
pub(super) fn rule(
    access: &Access,
    class: Class,
    application: Option<&str>,
    account: &str,
    remembered: impl FnOnce(&str) -> Option<bool>,
) -> Rule {
    let remembered = |name| remembered(name).map(|allow| if allow { Rule::Allow } else { Rule::Deny });
    let named = application.and_then(|name| access.by_name(name, account).or_else(|| remembered(name)));
    named.unwrap_or_else(|| access.by_class(class, account))
}

#[cfg(test)]
mod tests {
    use imgurd_proto::INTERFACE_TEXT;

    use super::*;
    use crate::config::parse;

    #[test]
    fn every_method_of_the_interface_has_a_policy_row() {
        let methods = INTERFACE_TEXT.lines().filter_map(|line| line.strip_prefix("method "));
        let mut count = 0;
        for method in methods.filter_map(|line| line.split_once('(')).map(|(name, _)| name) {
            assert!(needs(&format!("org.imgurd.Keeper1.{method}")).is_some(), "{method} has no policy row");
            count += 1;
        }
        assert!(count > 15, "the interface has more than 15 methods");
        assert_eq!(needs("org.imgurd.Keeper1.NewMethod"), None);
    }

    #[test]
    fn the_more_specific_rule_wins() {
        let text = "[access]\nunsandboxed = \"ask\"\nsandboxed = \"deny\"\n[accounts.a]\nclient_id = \"x\"\n\
                    [accounts.a.access]\nsandboxed = \"ask\"\n\"org.example.App\" = \"allow\"\n";
        let access = parse(text).unwrap().access;
        let rule = |class, name, account, known: Option<bool>| rule(&access, class, name, account, |_| known);
        let app = Some("org.example.App");
        for (class, name, account, known, expected) in [
            (Class::Sandboxed, app, "a", Some(false), Rule::Allow),
            (Class::Sandboxed, app, "b", Some(true), Rule::Allow),
            (Class::Sandboxed, app, "b", None, Rule::Deny),
            (Class::Sandboxed, Some("org.example.Other"), "a", None, Rule::Ask),
            (Class::Sandboxed, Some("org.example.Other"), "a", Some(false), Rule::Deny),
            (Class::Sandboxed, None, "a", Some(true), Rule::Ask),
            (Class::Unsandboxed, Some("unknown"), "a", None, Rule::Ask),
            (Class::Unsandboxed, Some("unknown"), "a", Some(true), Rule::Allow),
            (Class::Remote, Some("remote"), "a", None, Rule::Ask),
            (Class::Remote, Some("remote"), "a", Some(true), Rule::Allow),
        ] {
            assert_eq!(rule(class, name, account, known), expected, "{class:?} {name:?} {account} {known:?}");
        }
    }
}
