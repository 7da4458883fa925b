//! A member's signed leave statement.

use std::fmt;

use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer, types::SignatureScheme};
use serde::{Deserialize, Serialize};

use super::{MemberKey, error::Fault, identity::Identity};
use crate::id::{MemberId, RoomAddress};

const LABEL: &[u8] = b"anocm/1 leave";

/// A member's signed statement that it leaves. Valid for the duration of that membership; with it
/// any member can commit the removal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveStatement {
    member: MemberId,
    /// Ed25519 by the key of the member's leaf, as its two halves R and s.
    signature: ([u8; 32], [u8; 32]),
}

impl LeaveStatement {
    /// The member that leaves.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    pub(super) fn sign(address: &RoomAddress, who: &Identity) -> Result<Self, Fault> {
        let bytes = signed_bytes(address, who.member(), who.key());
        let signature = who.sign(&bytes).map_err(|_| Fault)?;
        let (r, s) = signature.split_first_chunk::<32>().ok_or(Fault)?;
        Ok(Self { member: who.member(), signature: (*r, s.try_into().map_err(|_| Fault)?) })
    }

    /// Returns whether the member of that id and key signed it for this room.
    pub(super) fn is_by(
        &self,
        crypto: &impl OpenMlsCrypto,
        address: &RoomAddress,
        member: MemberId,
        key: MemberKey,
    ) -> bool {
        let signature = [self.signature.0, self.signature.1].concat();
        self.member == member
            && crypto
                .verify_signature(
                    SignatureScheme::ED25519,
                    &signed_bytes(address, member, key),
                    key.as_bytes(),
                    &signature,
                )
                .is_ok()
    }
}

impl fmt::Debug for LeaveStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaveStatement(..)")
    }
}

/// Label ‖ address ‖ member id ‖ member key. No MLS structure begins with the label, so no other
/// signature of the same key is valid as a statement.
pub(super) fn signed_bytes(address: &RoomAddress, member: MemberId, key: MemberKey) -> Vec<u8> {
    [LABEL, address.as_bytes(), member.as_bytes(), key.as_bytes()].concat()
}
