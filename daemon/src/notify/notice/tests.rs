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

fn subject() -> Subject {
    Subject { service: "Imgur".to_owned(), account: "mine".to_owned() }
}

fn changed(attention: &Attention, change: impl FnOnce(&mut Account)) -> Attention {
    let mut account = (*attention.account).clone();
    change(&mut account);
    Attention { account: Arc::new(account), ..attention.clone() }
}

fn matter(attention: &Attention, wanted: bool) -> Option<Matter> {
    Notice::of(attention, &subject(), wanted, NOW).map(|notice| notice.matter)
}

#[test]
fn notifies_only_about_problems_that_need_the_user() {
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
    let signed_out = changed(&attention(State::Empty), |account| account.unsaved = true);
    let notice = Notice::of(&signed_out, &subject(), false, NOW).expect("a notice");
    assert_eq!((notice.matter, notice.summary.as_str()), (Matter::Unsaved, "imgurd: sign-out not saved"));
}

#[test]
fn offers_unlock_only_for_a_locked_store() {
    let absent = attention(State::StoreUnavailable);
    assert_eq!(matter(&absent, true), Some(Matter::Store));
    assert_eq!(Notice::of(&absent, &subject(), true, NOW).unwrap().remedy, None);
    let locked = Attention { locked: true, ..absent };
    assert_eq!(matter(&locked, true), Some(Matter::Locked));
    assert_eq!(Notice::of(&locked, &subject(), true, NOW).unwrap().remedy, Some(Remedy::Unlock));
}

#[test]
fn waits_before_reporting_a_locked_keyring_without_callers() {
    let locked = Attention { locked: true, ..attention(State::StoreUnavailable) };
    assert_eq!(Notice::of(&locked, &subject(), false, NOW).unwrap().grace, STORE_GRACE);
    assert_eq!(Notice::of(&locked, &subject(), true, NOW).unwrap().grace, Duration::ZERO);
}

#[test]
fn warns_of_an_ageing_token_at_the_keepers_time() {
    let later = Attention { ages_at: Some(NOW + Duration::from_secs(1)), ..attention(State::Fresh) };
    assert_eq!(matter(&later, false), None);
    let now = Attention { ages_at: Some(NOW), ..attention(State::Fresh) };
    assert_eq!(matter(&now, false), Some(Matter::Ageing));
    assert_eq!(
        Notice::of(&now, &subject(), false, NOW).unwrap().grace,
        FAILURE_GRACE,
        "a problem that may pass is shown after a delay"
    );
    let off = changed(&now, |account| account.auto_refresh = false);
    assert_eq!(Notice::of(&off, &subject(), false, NOW).unwrap().grace, Duration::ZERO);
}

#[test]
fn the_body_begins_with_the_command_unless_a_button_does_it() {
    let notice = Notice::of(&attention(State::ConsentNeeded), &subject(), false, NOW).unwrap();
    for actions in [Actions::Buttons, Actions::OnlyButtons] {
        assert!(notice.body(actions, false).starts_with("Imgur account mine: "), "{notice:?}");
    }
    for actions in [Actions::Hidden, Actions::Unsupported] {
        let body = notice.body(actions, false);
        assert!(body.starts_with("Run `imgurctl login mine`. Imgur account mine: "), "{body}");
    }
    let pin = changed(&attention(State::ConsentNeeded), |account| account.settings.flow = Some(Flow::Pin));
    let notice = Notice::of(&pin, &subject(), false, NOW).unwrap();
    assert_eq!(notice.remedy, None, "a flow that needs a pasted answer has no button");
    assert!(notice.body(Actions::Buttons, false).starts_with("Run `imgurctl login mine`."), "{notice:?}");
}

#[test]
fn every_title_names_imgurd_and_fits_a_narrow_line() {
    let locked = Attention { locked: true, ..attention(State::StoreUnavailable) };
    let unsaved = changed(&attention(State::Fresh), |account| account.unsaved = true);
    let ageing = Attention { ages_at: Some(NOW), ..attention(State::Fresh) };
    let states = [State::ConsentNeeded, State::Misconfigured, State::StoreUnavailable].map(attention);
    for attention in states.iter().chain([&locked, &unsaved, &ageing]) {
        let notice = Notice::of(attention, &subject(), false, NOW).unwrap();
        assert!(notice.summary.starts_with("imgurd: ") && notice.summary.len() <= 32, "{notice:?}");
        assert!(notice.body(Actions::Buttons, false).contains("Imgur account mine: "), "{notice:?}");
    }
}

#[test]
fn escapes_markup_for_servers_that_read_it() {
    let odd = changed(&attention(State::Misconfigured), |account| {
        account.reason = Some("<b>Tom & Jerry</b>; correct it".to_owned());
    });
    let notice = Notice::of(&odd, &subject(), false, NOW).unwrap();
    let body = "Correct it. Imgur account mine: &lt;b&gt;Tom &amp; Jerry&lt;/b&gt;.";
    assert_eq!(notice.body(Actions::Buttons, true), body);
    assert_eq!(notice.body(Actions::Buttons, false), "Correct it. Imgur account mine: <b>Tom & Jerry</b>.");
}

#[test]
fn shortens_long_names_from_the_server() {
    let odd = changed(&attention(State::Fresh), |account| account.username = Some("a\nb".repeat(100)));
    let body = Notice::done(&odd.account, &subject()).body;
    assert!(body.len() < 200 && !body.contains('\n'), "{body}");
}

#[test]
fn moves_the_instruction_of_a_reason_to_the_front() {
    for (reason, body) in [
        ("the server says no; change it", "Change it. Imgur account mine: The server says no."),
        ("It says (a; b); try c; or d", "Try c; or d. Imgur account mine: It says (a; b)."),
        ("Émile.", "Imgur account mine: Émile."),
    ] {
        let refused = changed(&attention(State::Misconfigured), |it| it.reason = Some(reason.to_owned()));
        let notice = Notice::of(&refused, &subject(), false, NOW).unwrap();
        assert_eq!(notice.body(Actions::Buttons, false), body);
    }
}
