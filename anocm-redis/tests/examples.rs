//! The example of this crate, in use on a real server.
mod common;
#[expect(dead_code, reason = "its main is not called")]
#[path = "../examples/two_relays.rs"]
mod two_relays;

use common::{PATIENCE, Server};

#[tokio::test]
async fn a_guest_of_one_relay_reads_what_a_guest_of_the_other_says() {
    let server = Server::start(&[]);
    let mut output = Vec::new();
    tokio::time::timeout(PATIENCE, two_relays::run(&server.url(), &mut output))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(String::from_utf8(output).unwrap(), "Alice: Hello through the other relay.\n");
    assert_eq!(server.keys_of_rooms(), Vec::<String>::new());
}
