//! Faulty transports, each caught by the case that is named next to its fault.

mod faults;
mod pipe;
mod plain;

use anocm_core::{
    testing::transport::{Accepted, CASES, TransportFactory},
    transport::Transport,
};

use self::{
    faults::{FAULTS, Fault},
    plain::Plain,
};

struct Plains(Option<Fault>);

#[async_trait::async_trait]
impl TransportFactory for Plains {
    async fn start(&self) -> (Box<dyn Transport>, Accepted) {
        let (accept, accepted) = Accepted::new();
        (Box::new(Plain::new(self.0, accept)), accepted)
    }
}

mod right {
    use super::Plains;

    anocm_core::transport_conformance!(Plains(None));
}

#[test]
fn every_wrong_transport_is_caught_by_name() {
    super::assert_all_caught(FAULTS, CASES.iter().map(|&(name, _)| name), |fault, name| {
        let (_, case) = CASES.iter().find(|case| case.0 == name).unwrap();
        let factory = Plains(Some(fault));
        super::fails(|| case(&factory))
    });
}
