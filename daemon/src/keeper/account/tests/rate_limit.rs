//! Back-off and limits, as a caller and the status see them.

use super::*;

fn refused_service(answer: Answer) -> Bench {
    let mut bench = Bench::fresh();
    bench.now.dice = 0.5;
    bench.pass(51 * MINUTE);
    bench.save();
    bench.answer(answer);
    bench
}

#[test]
fn shows_when_it_tries_again() {
    let bench = refused_service(pause_of(600));
    let info = bench.account().snapshot(bench.now.at).info;
    assert_eq!(info.state, State::Waiting);
    assert_eq!(info.retry_at, Some((bench.now.at + 10 * MINUTE).as_secs()));
    assert_eq!(info.next_refresh_at, None);
}

#[test]
fn a_retry_after_of_zero_still_backs_off() {
    let mut bench = refused_service(pause_of(0));
    assert_eq!(bench.retry_in(), Some(SECOND / 2));
    for expected in [SECOND, 2 * SECOND, 4 * SECOND] {
        bench.pass(bench.retry_in().unwrap());
        bench.answer(pause_of(0));
        assert_eq!(bench.retry_in(), Some(expected));
    }
}

#[test]
fn serves_a_token_after_the_refresh_limit_is_reached() {
    let mut bench = Bench::fresh();
    for number in 0..6 {
        bench.want(Want::New).unwrap();
        bench.pass(SECOND);
        bench.refreshed(tokens(&format!("N{number}"), None));
    }
    let error = bench.want(Want::New).unwrap_err();
    assert!(matches!(error, Error::TemporarilyUnavailable { retry_at: Some(_), .. }), "{error}");
    bench.want(Want::Valid(MINUTE)).unwrap();
    assert_eq!(bench.served().as_deref(), Some("N5"));
    assert!(bench.sends.is_empty());
}

#[test]
fn a_successful_refresh_resets_the_back_off() {
    let mut bench = refused_service(transient(Delivery::Answered));
    for _ in 0..8 {
        bench.pass(bench.retry_in().unwrap());
        bench.answer(transient(Delivery::Answered));
    }
    bench.pass(bench.retry_in().unwrap());
    bench.refreshed(tokens("AT2", None));
    bench.pass(51 * MINUTE);
    bench.save();
    bench.answer(transient(Delivery::Answered));
    assert_eq!(bench.retry_in(), Some(SECOND / 2), "the back-off starts again with its first pause");
}
