use super::*;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn notice(matter: Matter, grace: Duration) -> Notice {
    Notice {
        matter,
        summary: "Sign in".to_owned(),
        body: "Please.".to_owned(),
        remedy: None,
        instruction: None,
        grace,
    }
}

fn consent() -> Notice {
    notice(Matter::Consent, Duration::ZERO)
}

fn schedule() -> Schedule {
    let mut schedule = Schedule::default();
    schedule.set_pauses(&[HOUR, 4 * HOUR, 24 * HOUR]);
    schedule
}

fn shown(schedule: &mut Schedule, at: Timestamp) -> bool {
    !schedule.take_due(at).is_empty()
}

#[test]
fn repeats_an_unanswered_notification_after_growing_pauses() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    let mut at = START;
    for pause in [0, 1, 4, 24, 24, 24] {
        at = at + HOUR * pause;
        assert_eq!(schedule.next(), Some(at));
        assert!(pause == 0 || !shown(&mut schedule, Timestamp::from_millis(at.as_millis() - 1)));
        assert!(shown(&mut schedule, at), "after {pause} h");
        assert_eq!(schedule.update("mine", Some(consent()), false, at), Change::None);
    }
}

#[test]
fn later_postpones_by_a_whole_pause() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    let clicked = START + HOUR / 2;
    schedule.put_off("mine", clicked);
    assert_eq!(schedule.next(), Some(clicked + HOUR));
}

#[test]
fn a_solved_problem_ends_its_notification() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    assert_eq!(schedule.update("mine", None, false, START), Change::Solved);
    assert_eq!(schedule.next(), None);
    assert_eq!(schedule.update("mine", None, false, START), Change::None);
}

#[test]
fn another_problem_replaces_the_notification_and_its_pauses() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    let refused = Some(notice(Matter::Refused, Duration::ZERO));
    assert_eq!(schedule.update("mine", refused, false, START), Change::Solved);
    assert!(shown(&mut schedule, START));
}

#[test]
fn a_problem_that_ends_within_its_grace_is_not_shown() {
    let mut schedule = schedule();
    let grace = Duration::from_secs(10);
    schedule.update("mine", Some(notice(Matter::Locked, grace)), false, START);
    assert!(!shown(&mut schedule, START + grace / 2));
    schedule.update("mine", None, false, START + grace / 2);
    assert!(!shown(&mut schedule, START + grace));
    // A waiting caller ends the grace period.
    schedule.update("mine", Some(notice(Matter::Locked, grace)), false, START);
    schedule.update("mine", Some(notice(Matter::Locked, Duration::ZERO)), false, START);
    assert!(shown(&mut schedule, START));
}

#[test]
fn shows_a_missed_notification_when_a_server_appears() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    schedule.missed("mine");
    let appeared = START + HOUR / 4;
    assert!(!shown(&mut schedule, appeared));
    schedule.server_appeared(appeared);
    assert!(shown(&mut schedule, appeared));
    assert_eq!(schedule.next(), Some(appeared + HOUR), "reminders count from this first display");
    schedule.server_appeared(appeared);
    assert!(!shown(&mut schedule, appeared), "a displayed notification is not repeated");
}

#[test]
fn shows_nothing_during_a_login_and_for_a_pause_after_a_failed_one() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), true, START);
    assert!(!shown(&mut schedule, START));
    assert_eq!(schedule.next(), None);
    schedule.update("mine", Some(consent()), false, START);
    assert_eq!(schedule.next(), Some(START + HOUR));
}

#[test]
fn shows_a_problem_of_a_login_after_the_login() {
    let mut schedule = schedule();
    let unsaved = || Some(notice(Matter::Unsaved, Duration::from_secs(10)));
    schedule.update("mine", unsaved(), true, START);
    schedule.update("mine", unsaved(), false, START);
    assert!(!shown(&mut schedule, START), "the notification waits for its grace period");
    assert!(shown(&mut schedule, START + Duration::from_secs(10)));
}

#[test]
fn without_pauses_a_notification_is_shown_once() {
    let mut schedule = Schedule::default();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    assert_eq!(schedule.next(), None);
}

#[test]
fn setting_the_clock_back_delays_by_one_pause_at_most() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    let long_ago = Timestamp::from_millis(1_600_000_000_000);
    schedule.take_due(long_ago);
    assert_eq!(schedule.next(), Some(long_ago + 24 * HOUR));
}

/// Found by random operations on a bus without a notification server: imgurd retried some hundred times a second.
#[test]
fn a_missed_notification_is_not_retried_immediately() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    for hours in 0..3 {
        let at = START + HOUR * hours;
        assert!(shown(&mut schedule, at));
        schedule.missed("mine");
        schedule.update("mine", Some(consent()), false, at);
        assert_eq!(schedule.next(), Some(at + HOUR));
    }
    schedule.server_appeared(START + HOUR * 2);
    assert!(shown(&mut schedule, START + HOUR * 2));
}
