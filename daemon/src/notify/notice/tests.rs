use std::sync::Arc;

use imgurd_proto::Settings;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn attention(state: State) -> Attention {
    let settings = Settings {
        flow: Some(Flow::Code),
        redirect_uri: Some("http://127.0.0.1:8917/callback".to_owned()),
        ..Settings::default()
    };
    let account = Account {
        name: "mine".to_owned(),
        is_default: true,
        username: None,
        state,
        reason: Some("It is so; do that".to_owned()),
        auto_refresh: true,
        login_pending: false,
        login_id: None,
        unsaved: false,
        refused: false,
        expires_at: None,
        next_refresh_at: None,
        retry_at: None,
        granted_at: None,
        clock_skew_s: None,
        settings,
    };
    Attention { account: Arc::new(account), locked: false, ages_at: None }
}

fn changed(attention: &Attention, change: impl FnOnce(&mut Account)) -> Attention {
    let mut account = (*attention.account).clone();
    change(&mut account);
    Attention { account: Arc::new(account), ..attention.clone() }
}

fn matter(attention: &Attention, wanted: bool) -> Option<Matter> {
    Notice::of(attention, wanted, NOW).map(|notice| notice.matter)
}

#[test]
fn tells_of_what_the_person_can_mend_and_of_nothing_that_passes() {
    for state in [State::Fresh, State::Refreshing, State::Waiting, State::Stale, State::Empty] {
        assert_eq!(matter(&attention(state), false), None, "{state}");
    }
    for state in [State::Fresh, State::Refreshing, State::Waiting, State::Stale] {
        assert_eq!(matter(&attention(state), true), None, "{state}");
    }
    assert_eq!(matter(&attention(State::Empty), true), Some(Matter::Consent));
    assert_eq!(matter(&attention(State::ConsentNeeded), false), Some(Matter::Consent));
    assert_eq!(matter(&attention(State::Misconfigured), false), Some(Matter::Refused));
    let unsaved = changed(&attention(State::Fresh), |account| account.unsaved = true);
    assert_eq!(matter(&unsaved, false), Some(Matter::Unsaved));
}

#[test]
fn unlock_is_offered_only_where_it_mends_it_and_consent_never_for_a_locked_keyring() {
    let absent = attention(State::StoreUnavailable);
    assert_eq!(matter(&absent, true), Some(Matter::Store));
    assert_eq!(Notice::of(&absent, true, NOW).unwrap().remedy, None);
    let locked = Attention { locked: true, ..absent };
    assert_eq!(matter(&locked, true), Some(Matter::Locked));
    assert_eq!(Notice::of(&locked, true, NOW).unwrap().remedy, Some(Remedy::Unlock));
}

#[test]
fn a_keyring_has_a_moment_to_be_unlocked_unless_somebody_waits() {
    let locked = Attention { locked: true, ..attention(State::StoreUnavailable) };
    assert_eq!(Notice::of(&locked, false, NOW).unwrap().grace, STORE_GRACE);
    assert_eq!(Notice::of(&locked, true, NOW).unwrap().grace, Duration::ZERO);
}

#[test]
fn warns_of_an_ageing_token_from_the_moment_that_the_keeper_names() {
    let later = Attention { ages_at: Some(NOW + Duration::from_secs(1)), ..attention(State::Fresh) };
    assert_eq!(matter(&later, false), None);
    let now = Attention { ages_at: Some(NOW), ..attention(State::Fresh) };
    assert_eq!(matter(&now, false), Some(Matter::Ageing));
    assert_eq!(Notice::of(&now, false, NOW).unwrap().grace, FAILURE_GRACE, "a fault that may pass");
    let off = changed(&now, |account| account.auto_refresh = false);
    assert_eq!(Notice::of(&off, false, NOW).unwrap().grace, Duration::ZERO);
}

#[test]
fn the_command_is_in_the_body_where_there_are_no_buttons() {
    let notice = Notice::of(&attention(State::ConsentNeeded), false, NOW).unwrap();
    assert!(!notice.body(true, false).contains("imgurctl"), "{notice:?}");
    assert!(notice.body(false, false).ends_with("Run: imgurctl login mine"), "{notice:?}");
    let pin = changed(&attention(State::ConsentNeeded), |account| account.settings.flow = Some(Flow::Pin));
    let notice = Notice::of(&pin, false, NOW).unwrap();
    assert_eq!(notice.remedy, None, "there is nothing to click where an answer has to be pasted");
    assert!(notice.body(true, false).ends_with("Run: imgurctl login mine"), "{notice:?}");
}

#[test]
fn markup_is_escaped_where_the_server_reads_it() {
    let odd = changed(&attention(State::Misconfigured), |account| {
        account.reason = Some("<b>Tom & Jerry</b>; mend it".to_owned());
    });
    let notice = Notice::of(&odd, false, NOW).unwrap();
    assert_eq!(notice.body(true, true), "&lt;b&gt;Tom &amp; Jerry&lt;/b&gt;; mend it.");
    assert_eq!(notice.body(true, false), "<b>Tom & Jerry</b>; mend it.");
}

#[test]
fn a_servers_name_for_somebody_fits_one_line() {
    let odd = changed(&attention(State::Fresh), |account| account.username = Some("a\nb".repeat(100)));
    let summary = Notice::done(&odd.account).summary;
    assert!(summary.len() < 100 && !summary.contains('\n'), "{summary}");
}

#[test]
fn a_reason_becomes_a_whole_sentence() {
    for (reason, body) in
        [("the server says no; mend it", "The server says no; mend it."), ("Émile.", "Émile.")]
    {
        let refused = changed(&attention(State::Misconfigured), |it| it.reason = Some(reason.to_owned()));
        assert_eq!(Notice::of(&refused, false, NOW).unwrap().body, body);
    }
}
