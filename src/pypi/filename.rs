//! (to be written)
/// stub
pub struct DistFilename;
