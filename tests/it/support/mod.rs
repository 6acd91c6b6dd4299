//! Servers that the tests talk to: a real S3 one, a plain web server, and a proxy that breaks what passes through it.

pub(crate) mod certificates;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod seaweed;
pub(crate) mod web;
mod wire;
