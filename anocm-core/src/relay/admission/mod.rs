//! Admission control: whether a request is valid, and whether it may be carried out now. Makes
//! decisions only; holds no connection.

pub(crate) mod epoch_proof;
pub(crate) mod expiring_map;
pub(crate) mod join_pacing;
pub(crate) mod pow;
pub(crate) mod rate_limit;
pub(crate) mod validate;
