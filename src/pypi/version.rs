//! (to be written)
/// stub
pub struct Version;
