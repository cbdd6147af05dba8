//! Rate limits and the detection of abuse.

mod abuse;
mod rate_limits;
mod suspicious;
