//! Cases that a fuzzer generates from bytes, and the inverse: the bytes of a given case.
//!
//! `arbitrary` only decodes. A corpus of meaningful files needs the inverse as well.

use arbitrary::{Arbitrary, Unstructured};

/// A case that can be encoded as the bytes that [`Arbitrary`] decodes it from.
pub(crate) trait Seed: for<'a> Arbitrary<'a> + PartialEq + std::fmt::Debug {
    /// Appends its encoding.
    fn write(&self, to: &mut Vec<u8>);

    /// Returns bytes that decode to this case.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        assert_eq!(*self, Self::read(&bytes), "a seed reads as what it was written from");
        bytes
    }

    /// Returns the case that the bytes decode to; they are extended with zeros.
    fn read(bytes: &[u8]) -> Self {
        Self::arbitrary(&mut Unstructured::new(bytes)).expect("zeros follow")
    }
}

macro_rules! seeded_numbers {
    ($($number:ty),*) => {
        $(impl Seed for $number {
            fn write(&self, to: &mut Vec<u8>) {
                to.extend(self.to_le_bytes());
            }
        })*
    };
}

seeded_numbers!(u8, u16, u32, u64);

impl Seed for bool {
    fn write(&self, to: &mut Vec<u8>) {
        u8::from(*self).write(to);
    }
}

impl<T: Seed> Seed for Option<T> {
    fn write(&self, to: &mut Vec<u8>) {
        self.is_some().write(to);
        self.iter().for_each(|some| some.write(to));
    }
}

impl<T: Seed> Seed for Vec<T> {
    fn write(&self, to: &mut Vec<u8>) {
        for item in self {
            true.write(to);
            item.write(to);
        }
        false.write(to);
    }
}

/// Encodes the index of a variant out of `count`.
pub(crate) fn write_variant(at: usize, count: usize, to: &mut Vec<u8>) {
    let (at, count) = (at as u64, count as u64);
    let number = (at << 32).div_ceil(count);
    u32::try_from(number).expect("less than one").write(to);
}

/// Declares a case, or a part of one, with both directions.
macro_rules! seeded {
    ($(#[$doc:meta])* struct $name:ident { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, arbitrary::Arbitrary)]
        pub(crate) struct $name { $($(#[$about])* pub(crate) $field: $type),* }

        impl $crate::seed::Seed for $name {
            fn write(&self, to: &mut Vec<u8>) {
                $($crate::seed::Seed::write(&self.$field, to);)*
            }
        }
    };
    ($(#[$doc:meta])* enum $name:ident {
        $($(#[$about:meta])* $variant:ident $({ $($field:ident: $type:ty),* $(,)? })?),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, arbitrary::Arbitrary)]
        pub(crate) enum $name { $($(#[$about])* $variant $({ $($field: $type),* })?),* }

        impl $crate::seed::Seed for $name {
            fn write(&self, to: &mut Vec<u8>) {
                let names = [$(stringify!($variant)),*];
                match self {
                    $(Self::$variant $({ $($field),* })? => {
                        let at = names.iter().position(|name| *name == stringify!($variant));
                        $crate::seed::write_variant(at.unwrap_or(0), names.len(), to);
                        $($($crate::seed::Seed::write($field, to);)*)?
                    })*
                }
            }
        }
    };
}

pub(crate) use seeded;

#[cfg(test)]
mod tests {
    use super::*;

    seeded! {
        enum Part {
            One,
            Two { number: u16, is: bool },
            Three { bytes: Vec<u8> },
        }
    }

    seeded! {
        struct Whole { parts: Vec<Part>, last: u64 }
    }

    #[test]
    fn what_was_written_reads_as_the_same() {
        let parts = vec![
            Part::Three { bytes: vec![0, 1, 2] },
            Part::One,
            Part::Two { number: 0x1234, is: true },
            Part::Two { number: 0, is: false },
        ];
        // `to_bytes` asserts the round trip itself.
        Whole { parts, last: u64::MAX }.to_bytes();
    }

    #[test]
    fn any_bytes_make_a_case() {
        for bytes in [&[][..], &[1], &[0xff; 3], &[0xff; 400]] {
            Whole::read(bytes);
        }
    }
}
