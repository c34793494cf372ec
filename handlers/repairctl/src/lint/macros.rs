//! The macros of a command line, as Nagios finds them.

use policy::spell;

/// A `$` of a command line, with what Nagios makes of it and of the text up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dollar {
    /// A macro, by its name.
    Macro(String),
    /// `$$`, which is one `$`.
    Escaped,
    /// A text that is no macro: Nagios passes it on as it is, with both its `$`.
    Text(String),
    /// The last one, which has no second one.
    Last,
}

/// Finds the dollars of a line, each with its place. Nagios pairs them from the left
/// (`process_macros_r` of its core): what follows a stray one is paired wrongly to the end.
pub fn find(line: &[u8]) -> Vec<(usize, Dollar)> {
    let mut found = Vec::new();
    let mut places = line.iter().enumerate().filter(|(_, byte)| **byte == b'$').map(|(at, _)| at);
    while let Some(open) = places.next() {
        let dollar = match places.next() {
            None => Dollar::Last,
            Some(close) => kind(line.get(open + 1..close).unwrap_or_default()),
        };
        found.push((open, dollar));
    }
    found
}

fn kind(between: &[u8]) -> Dollar {
    let text = spell(between);
    match text.as_str() {
        "" => Dollar::Escaped,
        name if is_known(name) => Dollar::Macro(text),
        _ => Dollar::Text(text),
    }
}

/// Whether a text could be meant as the name of a macro.
pub fn is_like_a_name(text: &str) -> bool {
    let is_of_a_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    !text.is_empty() && text.bytes().all(is_of_a_name)
}

/// Whether Nagios has a macro of this name. A `:` begins the object of an on-demand macro.
fn is_known(name: &str) -> bool {
    let name = name.split(':').next().unwrap_or_default();
    let is_numbered = |kind: &str, most: u32| {
        let number = name.strip_prefix(kind).and_then(|digits| digits.parse::<u32>().ok());
        number.is_some_and(|number| (1..=most).contains(&number))
    };
    let is_custom = |kind: &str| name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty());
    NAMES.split_ascii_whitespace().any(|known| known == name)
        || is_numbered("ARG", 32)
        || is_numbered("USER", 256)
        || is_numbered("CONTACTADDRESS", 6)
        || ["_HOST", "_SERVICE", "_CONTACT"].into_iter().any(is_custom)
}

/// The standard macros of Nagios 4 (`init_macrox_names` of its core), up to 4.5.
const NAMES: &str = "
    HOSTNAME HOSTALIAS HOSTADDRESS HOSTDISPLAYNAME HOSTSTATE HOSTSTATEID HOSTSTATETYPE HOSTATTEMPT
    MAXHOSTATTEMPTS HOSTOUTPUT LONGHOSTOUTPUT HOSTPERFDATA HOSTCHECKCOMMAND HOSTCHECKTYPE
    HOSTCHECKSOURCE HOSTEXECUTIONTIME HOSTLATENCY HOSTDURATION HOSTDURATIONSEC HOSTDOWNTIME
    HOSTPERCENTCHANGE HOSTEVENTID HOSTPROBLEMID HOSTACKAUTHOR HOSTACKAUTHORNAME HOSTACKAUTHORALIAS
    HOSTACKCOMMENT HOSTNOTIFICATIONNUMBER HOSTNOTIFICATIONID HOSTNOTIFICATIONENABLED
    HOSTNOTIFICATIONPERIOD HOSTACTIONURL HOSTNOTESURL HOSTNOTES HOSTINFOURL HOSTIMPORTANCE
    HOSTANDSERVICESIMPORTANCE HOSTPERFDATAFILE
    LASTHOSTCHECK LASTHOSTSTATE LASTHOSTSTATEID LASTHOSTSTATECHANGE LASTHOSTUP LASTHOSTDOWN
    LASTHOSTUNREACHABLE LASTHOSTEVENTID LASTHOSTPROBLEMID
    HOSTGROUPNAME HOSTGROUPNAMES HOSTGROUPALIAS HOSTGROUPNOTES HOSTGROUPNOTESURL HOSTGROUPACTIONURL
    HOSTGROUPMEMBERS HOSTGROUPMEMBERADDRESSES
    SERVICEDESC SERVICEDISPLAYNAME SERVICESTATE SERVICESTATEID SERVICESTATETYPE SERVICEATTEMPT
    MAXSERVICEATTEMPTS SERVICEISVOLATILE SERVICEOUTPUT LONGSERVICEOUTPUT SERVICEPERFDATA
    SERVICECHECKCOMMAND SERVICECHECKTYPE SERVICECHECKSOURCE SERVICEEXECUTIONTIME SERVICELATENCY
    SERVICEDURATION SERVICEDURATIONSEC SERVICEDOWNTIME SERVICEPERCENTCHANGE SERVICEEVENTID
    SERVICEPROBLEMID SERVICEACKAUTHOR SERVICEACKAUTHORNAME SERVICEACKAUTHORALIAS SERVICEACKCOMMENT
    SERVICENOTIFICATIONNUMBER SERVICENOTIFICATIONID SERVICENOTIFICATIONENABLED
    SERVICENOTIFICATIONPERIOD SERVICEACTIONURL SERVICENOTESURL SERVICENOTES SERVICEINFOURL
    SERVICEIMPORTANCE SERVICEPERFDATAFILE
    LASTSERVICECHECK LASTSERVICESTATE LASTSERVICESTATEID LASTSERVICESTATECHANGE LASTSERVICEOK
    LASTSERVICEWARNING LASTSERVICEUNKNOWN LASTSERVICECRITICAL LASTSERVICEEVENTID
    LASTSERVICEPROBLEMID
    SERVICEGROUPNAME SERVICEGROUPNAMES SERVICEGROUPALIAS SERVICEGROUPNOTES SERVICEGROUPNOTESURL
    SERVICEGROUPACTIONURL SERVICEGROUPMEMBERS
    CONTACTNAME CONTACTALIAS CONTACTEMAIL CONTACTPAGER CONTACTGROUPNAME CONTACTGROUPNAMES
    CONTACTGROUPALIAS CONTACTGROUPMEMBERS
    NOTIFICATIONTYPE NOTIFICATIONNUMBER NOTIFICATIONRECIPIENTS NOTIFICATIONISESCALATED
    NOTIFICATIONAUTHOR NOTIFICATIONAUTHORNAME NOTIFICATIONAUTHORALIAS NOTIFICATIONCOMMENT
    TOTALHOSTSUP TOTALHOSTSDOWN TOTALHOSTSUNREACHABLE TOTALHOSTSDOWNUNHANDLED
    TOTALHOSTSUNREACHABLEUNHANDLED TOTALHOSTPROBLEMS TOTALHOSTPROBLEMSUNHANDLED TOTALSERVICESOK
    TOTALSERVICESWARNING TOTALSERVICESCRITICAL TOTALSERVICESUNKNOWN TOTALSERVICESWARNINGUNHANDLED
    TOTALSERVICESCRITICALUNHANDLED TOTALSERVICESUNKNOWNUNHANDLED TOTALSERVICEPROBLEMS
    TOTALSERVICEPROBLEMSUNHANDLED TOTALHOSTSERVICES TOTALHOSTSERVICESOK TOTALHOSTSERVICESWARNING
    TOTALHOSTSERVICESUNKNOWN TOTALHOSTSERVICESCRITICAL
    LONGDATETIME SHORTDATETIME DATE TIME TIMET ISVALIDTIME NEXTVALIDTIME PROCESSSTARTTIME
    EVENTSTARTTIME ADMINEMAIL ADMINPAGER MAINCONFIGFILE STATUSDATAFILE RETENTIONDATAFILE
    OBJECTCACHEFILE TEMPFILE TEMPPATH LOGFILE RESOURCEFILE COMMANDFILE";

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(line: &str) -> Vec<Dollar> {
        find(line.as_bytes()).into_iter().map(|(_, dollar)| dollar).collect()
    }

    #[test]
    fn pairs_dollars_from_the_left() {
        let name = |name: &str| Dollar::Macro(name.to_owned());
        let text = |text: &str| Dollar::Text(text.to_owned());
        assert_eq!(
            kinds("$USER1$/x '$_SERVICEREPAIR$' a$$b $HOSTSTATE:web 1$ $ARG32$"),
            [
                name("USER1"),
                name("_SERVICEREPAIR"),
                Dollar::Escaped,
                name("HOSTSTATE:web 1"),
                name("ARG32")
            ]
        );
        assert_eq!(kinds("pa$s '$HOSTNAME$'"), [text("s '"), Dollar::Last]);
        assert_eq!(kinds("$HOSTNAM$ $ARG33$ $_X$"), ["HOSTNAM", "ARG33", "_X"].map(text));
        assert_eq!(kinds("a$"), [Dollar::Last]);
    }

    /// The names are those of the Nagios that is installed; two came later.
    #[test]
    fn knows_the_macros_of_nagios() {
        let program = std::fs::read("/usr/sbin/nagios4").expect("nagios4-core");
        for name in NAMES.split_ascii_whitespace() {
            // A compiler keeps a word that ends another one with that one.
            let word = [name.as_bytes(), b"\0"].concat();
            let is_there = program.windows(word.len()).any(|window| window == word);
            assert_eq!(is_there, !name.ends_with("CHECKSOURCE"), "{name}");
        }
    }
}
