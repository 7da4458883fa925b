//! Why the program exits with code 1.

use std::io;

use crate::{
    abuse::abuser::AbuserError,
    baseline::BaselineError,
    guest::GuestError,
    measure::{MeasureError, Measured},
    member::MemberError,
    server::ServerError,
    store::StoreError,
};

/// Why nothing was measured, or why the results are not reliable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Abuser(#[from] AbuserError),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Retention(anocm_core::RetentionError),
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
    #[error("ended by a signal")]
    Signal,
    /// The results were printed already.
    #[error("{}", .0.join("; "))]
    Troubles(Vec<String>),
}

impl Failure {
    /// Checks that everything was delivered and no error occurred.
    pub(crate) fn of(measured: &Measured) -> Result<(), Self> {
        let mut troubles = measured.troubles.clone();
        if measured.lost > 0 {
            troubles.insert(0, format!("{} deliveries never came", measured.lost));
        }
        if troubles.is_empty() { Ok(()) } else { Err(Self::Troubles(troubles)) }
    }
}
