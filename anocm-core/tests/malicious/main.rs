//! A member and a link-holder who try everything that a frame or a field allows, against the real
//! relay engine and the other guests' real clients.
//!
//! The tables in `rows` list the attempts. Each is made in a room of its own, three times: with all
//! honest guests online, with the owner away, and with all honest guests away and coming back one
//! by one. Afterwards (`trial`), within a stated time, all honest guests receive each other's
//! messages, a newcomer joins by the link, the owner removes a member, and neither the relay nor
//! any honest member was accused; or the row quotes the words of docs/threat-model.md that explain
//! the exception.
//!
//! `ANOCM_ROW=words` runs the rows with those words in their name.
#![allow(unreachable_pub, missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]
#![expect(clippy::type_complexity, reason = "the columns of a table")]

#[path = "../common/mod.rs"]
mod common;
mod forge;
mod party;
mod rows;
mod trial;

use anocm_core::Retention;

use trial::{Setting, Then, run};

/// The retention of the messages here.
pub fn hour() -> Retention {
    common::seconds(3_600)
}

/// The notice of a commit that removes no member: no statements, no new door.
pub const NO_NOTICE: &[u8] = &[0, 0];

/// One test for each table and each setting.
macro_rules! tables {
    ($($table:ident),+ $(,)?) => {$(
        mod $table {
            use super::{Setting, run, rows};

            #[test]
            fn with_everybody_online() {
                run(Setting::Online, &rows::$table::rows());
            }

            #[test]
            fn with_the_owner_away() {
                run(Setting::OwnerAway, &rows::$table::rows());
            }

            #[test]
            fn with_everybody_away() {
                run(Setting::AllAway, &rows::$table::rows());
            }
        }
    )+

        fn all_rows() -> Vec<trial::Row> {
            [$(rows::$table::rows()),+].into_iter().flatten().collect()
        }
    };
}

tables!(commits, entries, floods, hashes, joins, leaves, messages, requests, takings);

#[test]
fn what_a_row_says_that_the_threat_model_says_stands_there() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = words(include_str!("../../../docs/threat-model.md"));
    for row in all_rows() {
        let then = match row.then {
            Then::AwaitsOwner(quote) | Then::MayEnd(quote) => Some(quote),
            Then::GoesOn => None,
        };
        for quote in then.into_iter().chain(row.loses) {
            assert!(page.contains(&words(quote)), "{}: {quote}", row.name);
        }
    }
}
