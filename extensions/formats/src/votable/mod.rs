//! VOTable documents as Arrow batches, and the reverse. Not the other parts of a document: parameters, groups, links.
