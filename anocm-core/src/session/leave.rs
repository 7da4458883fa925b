//! A member's signed leave statement.

use std::fmt;

use openmls_traits::crypto::OpenMlsCrypto;
use serde::{Deserialize, Serialize};

use super::{
    MemberKey,
    card::Stay,
    error::Fault,
    identity::Identity,
    signature::{Label, Signature},
};
use crate::id::{MemberId, RoomAddress};

/// A member's signed statement that it leaves. Valid for the stay that it was signed in; with it
/// any member can commit the removal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveStatement {
    member: MemberId,
    /// By the key of the member's leaf.
    signature: Signature,
}

impl LeaveStatement {
    /// The member that leaves.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    pub(super) fn sign(address: &RoomAddress, who: &Identity, stay: Stay) -> Result<Self, Fault> {
        let (member, key) = (who.member(), who.key());
        let signed = parts(&member, &key, &stay);
        Ok(Self { member, signature: Signature::sign(Label::Leave, address, &signed, who)? })
    }

    /// Returns whether the member of that id and key signed it for this room and stay.
    pub(super) fn is_by(
        &self,
        crypto: &impl OpenMlsCrypto,
        address: &RoomAddress,
        member: MemberId,
        key: MemberKey,
        stay: Stay,
    ) -> bool {
        let signed = parts(&member, &key, &stay);
        self.member == member && self.signature.is_by(key, Label::Leave, address, &signed, crypto)
    }
}

impl fmt::Debug for LeaveStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaveStatement(..)")
    }
}

/// What is signed after label and address.
pub(super) fn parts<'a>(member: &'a MemberId, key: &'a MemberKey, stay: &'a Stay) -> [&'a [u8]; 3] {
    [member.as_bytes(), key.as_bytes(), stay.as_bytes()]
}
