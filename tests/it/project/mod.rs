//! Checks of the sources, the documentation and the public contract.

mod contract;
mod docs;
mod layers;
