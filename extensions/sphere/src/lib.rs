//! Positions, regions, HEALPix cells and epochs on the celestial sphere
