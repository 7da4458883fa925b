//! Faulty stores, each caught by the case that is named next to its fault.

mod faults;
mod pages;
mod plain;
mod room;
mod taking_back;
mod watches;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    store::Store,
    testing::store::{CASES, StoreFactory},
};

use self::{
    faults::{FAULTS, Fault},
    plain::Plain,
};

struct Plains(Arc<Plain>);

impl Plains {
    fn new(fault: Option<Fault>) -> Self {
        Self(Plain::new(fault))
    }
}

#[async_trait::async_trait]
impl StoreFactory for Plains {
    async fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    async fn pass(&self, duration: Duration) {
        self.0.clock.advance(duration);
        if !self.0.waits_for_calls() {
            self.0.with(|_, _| ());
        }
    }

    fn is_exact(&self) -> bool {
        true
    }
}

mod right {
    use super::Plains;

    anocm_core::store_conformance!(Plains::new(None));
}

#[test]
fn every_wrong_store_is_caught_by_name() {
    super::assert_all_caught(FAULTS, CASES.iter().map(|&(name, _)| name), |fault, name| {
        let (_, case) = CASES.iter().find(|case| case.0 == name).unwrap();
        let factory = Plains::new(Some(fault));
        super::fails(|| case(&factory))
    });
}
