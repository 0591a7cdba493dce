//! What happens to tokens after they are used.

use std::time::Duration;

use imgurd_tests::fake::{Behaviour, ErrorStyle, Fake, Rotation};

use crate::{member, refresh, refused};

fn fake(rotation: Rotation) -> Fake {
    Fake::start(Behaviour { rotation, ..Behaviour::default() })
}

#[test]
fn without_rotation_a_refresh_token_works_repeatedly() {
    let fake = fake(Rotation::Off);
    let (token, _) = fake.issue_grant("alice");
    for _ in 0..3 {
        assert_eq!(member(&refresh(&fake, &token), "refresh_token"), token);
    }
}

#[test]
fn an_answer_without_a_refresh_token_keeps_the_old_one_valid() {
    let fake = fake(Rotation::Omitted);
    let (token, _) = fake.issue_grant("alice");
    assert!(!refresh(&fake, &token).text.contains("refresh_token"));
    assert_eq!(refresh(&fake, &token).status, 200);
}

#[test]
fn plain_rotation_refuses_a_used_token_and_keeps_the_grant() {
    let fake = fake(Rotation::Plain);
    let (first, _) = fake.issue_grant("alice");
    let answer = refresh(&fake, &first);
    let (second, access) = (member(&answer, "refresh_token"), member(&answer, "access_token"));
    assert_ne!(first, second);

    let again = refresh(&fake, &first);
    assert_eq!(again.status, 400);
    assert_eq!(again.text, refused("Invalid refresh token"));
    assert!(fake.is_live(&access));
    assert_eq!(refresh(&fake, &second).status, 200);
}

#[test]
fn reuse_detection_revokes_the_grant_and_its_access_token() {
    let fake = fake(Rotation::ReuseDetection);
    let (first, _) = fake.issue_grant("alice");
    let (other, _) = fake.issue_grant("bob");
    let answer = refresh(&fake, &first);
    assert_eq!(refresh(&fake, &first).status, 400);
    assert!(!fake.is_live(&member(&answer, "access_token")));
    assert_eq!(refresh(&fake, &member(&answer, "refresh_token")).text, refused("Invalid refresh token"));
    assert_eq!(refresh(&fake, &other).status, 200, "other grants remain valid");
}

#[test]
fn a_used_refresh_token_works_within_its_grace_period() {
    let fake = fake(Rotation::Grace(Duration::from_mins(1)));
    let (first, _) = fake.issue_grant("alice");
    let second = member(&refresh(&fake, &first), "refresh_token");
    fake.advance(Duration::from_secs(59));
    assert_eq!(member(&refresh(&fake, &first), "refresh_token"), second);
    fake.advance(Duration::from_secs(2));
    assert_eq!(refresh(&fake, &first).status, 400);
    assert_eq!(refresh(&fake, &second).status, 200);
}

#[test]
fn a_new_access_token_invalidates_the_users_older_ones() {
    let fake = fake(Rotation::Off);
    let (_, elsewhere) = fake.issue_grant("bob");
    let (token, first) = fake.issue_grant("alice");
    let second = member(&refresh(&fake, &token), "access_token");
    assert!(!fake.is_live(&first));
    let (_, third) = fake.issue_grant("alice");
    assert!(!fake.is_live(&second), "a second login invalidates older tokens, too");
    assert!(fake.is_live(&third));
    assert!(fake.is_live(&elsewhere));
}

#[test]
fn older_access_tokens_can_stay_valid() {
    let fake = Fake::start(Behaviour { one_live_token: false, ..Behaviour::default() });
    let (token, first) = fake.issue_grant("alice");
    assert_eq!(refresh(&fake, &token).status, 200);
    assert!(fake.is_live(&first));
}

#[test]
fn an_access_token_expires_after_its_own_lifetime() {
    let fake = Fake::start(Behaviour { lifetime: Duration::from_secs(30), ..Behaviour::default() });
    let (_, access) = fake.issue_grant("alice");
    fake.configure(|behaviour| behaviour.lifetime = Duration::from_hours(1));
    assert!(fake.is_live(&access));
    fake.advance(Duration::from_secs(30));
    assert!(!fake.is_live(&access));
}

#[test]
fn a_revoked_grant_stays_refused() {
    let fake = fake(Rotation::Off);
    let (token, access) = fake.issue_grant("alice");
    fake.revoke_grant();
    assert!(!fake.is_live(&access));
    assert_eq!(refresh(&fake, &token).text, refused("Invalid refresh token"));
}

#[test]
fn a_killed_access_token_keeps_the_grant_valid() {
    let fake = fake(Rotation::Off);
    let (token, access) = fake.issue_grant("alice");
    fake.kill_access_token();
    assert!(!fake.is_live(&access));
    assert_eq!(refresh(&fake, &token).status, 200);
}

#[test]
fn errors_can_follow_rfc_6749() {
    let fake = fake(Rotation::Off);
    fake.configure(|behaviour| behaviour.errors = ErrorStyle::Rfc6749);
    let refused = refresh(&fake, "no-such-token");
    assert_eq!((refused.status, member(&refused, "error").as_str()), (400, "invalid_grant"));
    fake.configure(|behaviour| behaviour.client_secret = "another".into());
    let refused = refresh(&fake, "no-such-token");
    assert_eq!((refused.status, member(&refused, "error").as_str()), (401, "invalid_client"));
}

#[test]
fn reports_the_position_of_each_token_in_its_grant() {
    let fake = fake(Rotation::ReuseDetection);
    let (first, _) = fake.issue_grant("alice");
    let answer = refresh(&fake, &first);
    let (second, access) = (member(&answer, "refresh_token"), member(&answer, "access_token"));
    let standing = |token: &str| fake.standing(token).unwrap();
    assert_eq!((standing(&first).turn, standing(&second).turn, standing(&access).turn), (0, 1, 1));
    assert_eq!(standing(&first).newest, 1);
    assert!(standing(&first).used.is_some() && standing(&second).used.is_none());
    assert!(!standing(&second).revoked);
    refresh(&fake, &first);
    assert!(standing(&second).revoked);
    assert!(fake.standing("unheard of").is_none());
}
