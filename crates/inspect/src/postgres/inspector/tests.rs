mod bounds;
mod copy;
mod extended;
mod script;
mod simple;
mod splits;
