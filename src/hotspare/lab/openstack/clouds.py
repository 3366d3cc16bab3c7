"""clouds.yaml of the lab. Pure."""

import json

from hotspare.lab.layout import Layout
from hotspare.lab.openstack.secrets import Secrets
from hotspare.lab.openstack.services import keystone_url

CLOUD = "lab"
"""Logs in as `admin`, by password."""
APPLICATION_CLOUD = "lab-app"
"""Logs in by an application credential of `admin`."""
CREDENTIAL = "hotspare"


def clouds_yaml(layout: Layout, secrets: Secrets) -> str:
    """Both clouds, valid from the end of the controller's first boot on. JSON, which is YAML as well."""
    common = {"region_name": "lab", "identity_api_version": 3}
    password = {
        "auth_url": keystone_url(layout),
        "username": "admin",
        "password": secrets.admin,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    application = {
        "auth_url": keystone_url(layout),
        "username": "admin",
        "user_domain_name": "Default",
        "application_credential_name": CREDENTIAL,
        "application_credential_secret": secrets.application,
    }
    clouds = {
        CLOUD: {**common, "auth": password},
        APPLICATION_CLOUD: {**common, "auth_type": "v3applicationcredential", "auth": application},
    }
    return json.dumps({"clouds": clouds}, indent=2) + "\n"
