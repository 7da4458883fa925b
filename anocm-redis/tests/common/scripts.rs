//! Runs single steps of the scripts as relays do.

use super::Server;

const PRELUDE: &str = include_str!("../../src/scripts/prelude.lua");
const EXTEND: &str = include_str!("../../src/scripts/extend.lua");

/// Runs one step of `extend`. Returns the cursor of the next one, `0` after the last.
pub(crate) fn extend(server: &Server, room: &str, until: &str, at: &str, most: u32) -> String {
    let script = format!("#!lua\nlocal PUBLISH = 'PUBLISH'\n{PRELUDE}\n{EXTEND}");
    let most = most.to_string();
    let (seconds, _): (String, String) = server.ask(&["TIME"]);
    let now = format!("{seconds}000");
    let (word, next): (String, String) =
        server.ask(&["EVAL", &script, "1", room, until, at, &most, &now]);
    assert_eq!(word, "ok");
    next
}
