//! Who may go where: profiles, compiled; and how often and how much.

mod budgets;
mod counters;
mod explain;
mod rates;
mod rules;
mod windows;

pub(crate) use budgets::Spending;
pub(crate) use explain::Step;
pub(crate) use rates::Exceeded;
pub(crate) use rules::{Ask, Decision, Rules, Why, check_ports, holds, method};
