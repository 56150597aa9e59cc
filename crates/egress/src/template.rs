//! Texts with fields of a request in them: `{{ header("x-name") }}`, `{{ body.field.inner }}`.

use http::{HeaderMap, HeaderName};
use penstock_domain::{Code, Error, Side};
use serde_json::Value;

use crate::config::malformed;

/// A compiled template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Header(HeaderName),
    /// Names and indexes from the body's root.
    Body(Vec<String>),
}

impl Template {
    /// Reads a template. A field that is no function call is one of the JSON body; a leading `body.` may be
    /// left out.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (field, after) = after
                .split_once("}}")
                .ok_or_else(|| malformed(format!("the template {text:?} has a {{{{ without its }}}}")))?;
            parts.push(parse_field(field.trim(), text)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether it needs the request's body.
    pub(crate) fn needs_body(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Body(_)))
    }

    /// Fills it in.
    ///
    /// # Errors
    /// [`Code::Malformed`] for a field that the request does not have, or that is no text or number.
    pub(crate) fn fill(&self, headers: &HeaderMap, body: &Value) -> Result<String, Error> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Header(name) => out.push_str(header(headers, name)?),
                Part::Body(path) => out.push_str(&field(body, path)?),
            }
        }
        Ok(out)
    }
}

fn parse_field(field: &str, template: &str) -> Result<Part, Error> {
    let unreadable = || {
        malformed(format!("the field {field:?} of template {template:?} cannot be read"))
            .hint("write {{ header(\"x-name\") }} or {{ field.inner }}")
    };
    if let Some(call) = field.strip_prefix("header(").or_else(|| field.strip_prefix("request_header(")) {
        let quoted = call.strip_suffix(')').ok_or_else(unreadable)?.trim();
        let name = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(unreadable)?;
        return name.parse().map(Part::Header).map_err(|_| unreadable());
    }
    let path: Vec<String> =
        field.strip_prefix("body.").unwrap_or(field).split('.').map(str::to_owned).collect();
    let legal = |name: &String| {
        !name.is_empty() && name.chars().all(|each| each.is_alphanumeric() || each == '_' || each == '-')
    };
    if path.iter().all(legal) { Ok(Part::Body(path)) } else { Err(unreadable()) }
}

/// The one value of a header that a destination is made of.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (Some(Ok(value)), None) => Ok(value.trim()),
        (None, _) => Err(missing(&format!("the header {name} is missing"))),
        _ => Err(missing(&format!("the header {name} must stand once, in ASCII"))),
    }
}

fn field(body: &Value, path: &[String]) -> Result<String, Error> {
    let mut value = Some(body);
    for name in path {
        value = value.and_then(|value| match value {
            Value::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
            other => other.get(name),
        });
    }
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(missing(&format!("the JSON body has no text or number at {}", path.join(".")))),
    }
}

fn missing(what: &str) -> Error {
    Error::new(Code::Malformed, Side::Client, format!("the destination cannot be made: {what}"))
        .hint("the route takes the destination from it; see the proxy's routes")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str) -> Result<String, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", "acme".parse().unwrap());
        headers.append("x-twice", "a".parse().unwrap());
        headers.append("x-twice", "b".parse().unwrap());
        let body = json!({"target": {"host": "api.example", "ports": [80, 443]}, "flag": true});
        Template::parse(template)?.fill(&headers, &body)
    }

    #[test]
    fn fields_of_headers_and_body_are_filled_in() {
        assert_eq!(fill("{{header(\"X-Tenant\")}}.example:8080").unwrap(), "acme.example:8080");
        assert_eq!(fill("{{ target.host }}:{{ body.target.ports.1 }}").unwrap(), "api.example:443");
        assert_eq!(fill("plain").unwrap(), "plain");
        assert_eq!(fill("").unwrap(), "");
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (template, part) in [
            ("{{ header(\"x-none\") }}", "x-none"),
            ("{{ header(\"x-twice\") }}", "once"),
            ("{{ target.none }}", "target.none"),
            ("{{ flag }}", "flag"),
            ("{{ target.ports.7 }}", "target.ports.7"),
        ] {
            let error = fill(template).unwrap_err();
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for bad in ["{{", "{{ }}", "{{ a..b }}", "{{ header(x) }}", "{{ header(\"a b\") }}", "{{ f(\"x\") }}"]
        {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert!(Template::parse("{{ a }}").unwrap().needs_body());
        assert!(!Template::parse("{{ header(\"a\") }}").unwrap().needs_body());
    }
}
