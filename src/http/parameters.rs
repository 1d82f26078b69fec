//! `/api/parameters`: another way to operator policies and to the limits of vhosts, and the one that definitions take
//! (RabbitMQ: "Parameters and Policies"). There are no other components here.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::broker::{Broker, Policy, PolicyKind, Vhost, VhostLimits};

use super::body::Body;
use super::caller::{Administrator, Caller};
use super::done::created;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::policies::PolicyBody;
use super::{Api, blocking};

const VHOST_LIMITS: &str = "vhost-limits";
/// The name of the one parameter that has all limits of a vhost.
const LIMITS: &str = "limits";
const OPERATOR_POLICY: &str = "operator_policy";

/// A parameter as definitions have it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Parameter {
    component: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    name: String,
    value: Value,
}

impl Listed for Parameter {
    fn name(&self) -> &str {
        &self.name
    }

    fn vhost(&self) -> &str {
        self.vhost.as_deref().unwrap_or_default()
    }
}

/// The parameters of a vhost.
pub(super) fn of_vhost(broker: &Broker, vhost: &Vhost) -> Vec<Parameter> {
    let parameter = |component: &str, name: String, value: Value| Parameter {
        component: component.to_owned(),
        vhost: Some(vhost.name.to_string()),
        name,
        value,
    };
    let operator = broker.policies(PolicyKind::Operator, vhost).into_iter();
    let mut parameters: Vec<_> = operator
        .map(|policy| {
            let value = value_of(&policy);
            parameter(OPERATOR_POLICY, policy.name, value)
        })
        .collect();
    let limits = vhost.limits();
    if limits != VhostLimits::default() {
        parameters.push(parameter(VHOST_LIMITS, LIMITS.to_owned(), json!(limits)));
    }
    parameters
}

fn value_of(policy: &Policy) -> Value {
    json!({
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "priority": policy.priority,
        "definition": policy.definition,
    })
}

/// Sets a parameter in a vhost.
pub(super) fn set(broker: &Broker, vhost: &Vhost, parameter: &Parameter) -> Result<(), ApiError> {
    match (parameter.component.as_str(), parameter.name.as_str()) {
        (OPERATOR_POLICY, name) => {
            let body: PolicyBody = value(parameter)?;
            broker.set_policy(PolicyKind::Operator, body.named(&vhost.name, name)?)?;
        }
        (VHOST_LIMITS, LIMITS) => {
            broker.set_vhost_limits(&vhost.name, value(parameter)?)?;
        }
        (VHOST_LIMITS, other) => {
            return Err(invalid(format!(
                "the limits of a vhost are named '{LIMITS}', not '{other}'"
            )));
        }
        (component, _) => return Err(invalid(format!("component {component} not found"))),
    }
    Ok(())
}

fn value<T: DeserializeOwned>(parameter: &Parameter) -> Result<T, ApiError> {
    serde_json::from_value(parameter.value.clone()).map_err(|error| invalid(error.to_string()))
}

fn invalid(reason: String) -> ApiError {
    ApiError::bad_request(format!("Validation failed\n\n{reason}"))
}

fn find(broker: &Broker, vhost: &Vhost, component: &str, name: &str) -> Option<Parameter> {
    let parameters = of_vhost(broker, vhost).into_iter();
    parameters
        .filter(|parameter| parameter.component == component)
        .find(|parameter| parameter.name == name)
}

/// All parameters.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_policymaker()?;
    list(&query, seen(&api, &caller, None, None)?, Parameter::clone)
}

/// Those of a component.
pub async fn of_component(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(component): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_policymaker()?;
    list(&query, seen(&api, &caller, Some(&component), None)?, Parameter::clone)
}

/// Those of a component in a vhost.
pub async fn of_component_in(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((component, vhost)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_policymaker()?;
    let parameters = seen(&api, &caller, Some(&component), Some(&vhost))?;
    list(&query, parameters, Parameter::clone)
}

fn seen(api: &Api, caller: &Caller, component: Option<&str>, vhost: Option<&str>) -> Result<Vec<Parameter>, ApiError> {
    let vhosts = caller.vhosts_at(vhost)?;
    let mut parameters: Vec<_> = vhosts.iter().flat_map(|vhost| of_vhost(&api.broker, vhost)).collect();
    parameters.retain(|parameter| component.is_none_or(|component| parameter.component == component));
    Ok(parameters)
}

/// One parameter.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((component, vhost, name)): Path<(String, String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_policymaker()?;
    let vhost = caller.visible_vhost(&vhost)?;
    let parameter = find(&api.broker, &vhost, &component, &name);
    object(&query, parameter.ok_or_else(ApiError::no_object)?)
}

#[derive(Deserialize)]
struct ParameterBody {
    value: Value,
}

/// Sets a parameter.
pub async fn put(
    State(api): State<Arc<Api>>,
    Administrator(caller): Administrator,
    Path((component, vhost, name)): Path<(String, String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    let ParameterBody { value } = body.read()?;
    blocking(move || {
        let _turn = api.limit_changes.lock();
        let new = find(&api.broker, &vhost, &component, &name).is_none();
        let parameter = Parameter {
            component,
            vhost: None,
            name,
            value,
        };
        set(&api.broker, &vhost, &parameter)?;
        Ok(created(new))
    })
    .await
}

/// Clears a parameter.
pub async fn delete(
    State(api): State<Arc<Api>>,
    Administrator(caller): Administrator,
    Path((component, vhost, name)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    blocking(move || {
        let broker = &api.broker;
        let _turn = api.limit_changes.lock();
        find(broker, &vhost, &component, &name).ok_or_else(ApiError::no_object)?;
        match component.as_str() {
            OPERATOR_POLICY => broker.clear_policy(PolicyKind::Operator, &vhost.name, &name)?,
            _ => broker.set_vhost_limits(&vhost.name, VhostLimits::default())?,
        };
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
