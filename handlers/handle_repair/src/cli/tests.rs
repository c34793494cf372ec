use super::*;
use policy::StateType;
use proptest::prelude::*;

fn read_text(text: &str) -> Result<Invocation, String> {
    let argv: Vec<OsString> =
        text.split(' ').map(|word| if word == "''" { "".into() } else { word.into() }).collect();
    read(&argv).map_err(|problem| problem.to_string())
}

#[test]
fn a_call_as_commands_cfg_makes_it() {
    let call = read_text(
        "CRITICAL SOFT 3 --host web1 --address 192.0.2.1 --service HTTP --max-attempts 4 \
         --host-state UP \
         --last-state CRITICAL --downtime 0 --host-downtime 0 --problem-id 12 --repair httpd",
    )
    .unwrap();
    assert_eq!(
        (call.event.state, call.event.state_type, call.event.attempt),
        (ObjectState::Critical, StateType::Soft, 3)
    );
    assert_eq!((call.address.as_str(), call.event.max_attempts), ("192.0.2.1", Some(4)));
    assert_eq!(
        (call.event.problem_id.as_deref(), call.event.host_state),
        (Some("12"), Some(ObjectState::Up))
    );
}

#[test]
fn empty_and_unexpanded_macros_are_not_given() {
    let call = read_text(
        "CRITICAL SOFT 3 --host web1 --address '' --service HTTP --max-attempts \
         $MAXSERVICEATTEMPTS$ --host-state '' \
         --downtime $SERVICEDOWNTIME$ --problem-id 0 --repair $_SERVICEREPAIR$",
    )
    .unwrap();
    assert_eq!(
        (call.address.as_str(), call.event.max_attempts, call.event.host_state),
        ("web1", None, None)
    );
    assert_eq!((call.event.downtime, call.event.problem_id, call.event.repair), (0, None, None));
    assert_eq!(
        read_text("DOWN HARD 1 --host web1 --service $SERVICEDESC$").unwrap().event.service,
        None
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (text, wanted) in [
        ("CRITICAL SOFT --host web1", "<ATTEMPT>"),
        ("CRITICAL SOFT 3 4 --host web1", "'4'"),
        ("CRITICAL SOFT 3", "--host"),
        ("CRITICAL SOFT 3 --host ''", "--host"),
        ("CRITICAL SOFT 3 --host $HOSTNAME$", "--host"),
        ("CRITICAL SOFT x --host web1 --service HTTP", "'x'"),
        ("CRITICAL SOFT -1 --host web1 --service HTTP", "'-1'"),
        ("CRITICAL FIRM 3 --host web1 --service HTTP", "'FIRM'"),
        ("critical SOFT 3 --host web1 --service HTTP", "'critical'"),
        ("CRITICAL SOFT 3 --host web1", "'CRITICAL' is not a host state"),
        ("CRITICAL SOFT 3 --host web1 --service ''", "--service must be given and not empty"),
        ("DOWN SOFT 3 --host web1 --service HTTP", "'DOWN' is not a service state"),
        ("CRITICAL SOFT 3 --host -oProxyCommand=x --service HTTP", "-o"),
        ("CRITICAL SOFT 3 --host=-oProxyCommand=x --service HTTP", "--host"),
        ("CRITICAL SOFT 3 --host web1 --service a;b", "--service"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --repair a;id", "--repair"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --host-state MAYBE", "--host-state"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --max-attempts many", "--max-attempts"),
        ("CRITICAL SOFT 3 --host web1 --servce HTTP", "--servce"),
    ] {
        let refusal = read_text(text).unwrap_err();
        assert!(
            refusal.contains(wanted) && refusal.ends_with("nothing was run"),
            "{text}: {refusal}"
        );
        assert!(!refusal.contains('\n'), "{text}: {refusal}");
    }
}

#[test]
fn place_holders_are_filled_once_and_within_their_word() {
    let call =
        read_text("CRITICAL SOFT 3 --host {address} --address 192.0.2.1 --service a'b").unwrap();
    let argv = ["{host}:{address}", "-r", "{2,3}{", "{service}"].map(str::to_owned);
    assert_eq!(call.fill(&argv), ["{address}:192.0.2.1", "-r", "{2,3}{", "a'b"]);
}

#[test]
fn help_fits_the_terminal() {
    let help = command().render_long_help().to_string();
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

proptest! {
    #[test]
    fn no_argument_panics(words in prop::collection::vec("\\PC{0,12}", 0..8)) {
        let argv: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let _ = read(&argv);
    }
}
