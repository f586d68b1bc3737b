//! (to be written)

pub mod accept;
pub mod etag;
pub mod head_timer;
pub mod range;
pub mod request_body;
pub mod serve;
pub mod shutdown;
pub mod socket;
