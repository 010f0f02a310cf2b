"""Registrations that we make at other registrars (RFC 3261 §10.2, RFC 5626): one part for all who need them."""

from trunkline.ua.registrations.plan import Plan, RegistrationPolicy
from trunkline.ua.registrations.registration import Registration
from trunkline.ua.registrations.registrations import Registrations

__all__ = ["Plan", "Registration", "RegistrationPolicy", "Registrations"]
