"""The administrator's console: Flask-Admin's views and menu, in our own pages, behind the gate.

Who may see and do what stands in :mod:`idprotect.roles`. Nothing is decided or carried out here: the verbs are those of
the modules below, as for the command line.
"""

from flask import Flask
from flask_admin import Admin

from idprotect.admin.acts_view import ActsView
from idprotect.admin.address_view import AddressesView
from idprotect.admin.application_view import ApplicationView
from idprotect.admin.drafts_view import DraftsView
from idprotect.admin.entry_view import LocationsView, OnePolicyView
from idprotect.admin.overview import OverviewView
from idprotect.admin.policy_view import PoliciesView
from idprotect.admin.record_view import ApplicationsView, AuditView, DetectionsView
from idprotect.admin.sign_in_view import RiskySignInsView, SessionsView, SignInsView
from idprotect.admin.signal_source_view import SignalSourcesView
from idprotect.admin.terms_view import AcceptancesView, TermsView
from idprotect.admin.user_view import RiskyUsersView, UsersView


def create_console(app: Flask, url: str) -> Admin:
    """Add the console to an application, below *url*."""
    console = Admin(app, name="Console", index_view=OverviewView("Overview", url=url), url=url)
    console.add_views(
        RiskyUsersView("Risky users", "Risk"),
        RiskySignInsView("Risky sign-ins", "Risk"),
        DetectionsView("Detections", "Risk"),
        SignInsView("Sign-in log", "Activity"),
        SessionsView("Sessions", "Activity"),
        AcceptancesView("Accepted terms", "Activity"),
        AuditView("Audit log", "Activity"),
        UsersView("Users", "Directory"),
        ApplicationsView("Applications", "Directory"),
        ApplicationView("Application", "Directory"),
        ActsView("Roles", "Directory"),
        PoliciesView("Policies", "Rules"),
        OnePolicyView("Policy", "Rules"),
        DraftsView("Drafts", "Rules"),
        LocationsView("Named locations", "Rules"),
        TermsView("Terms of use", "Rules"),
        AddressesView("Visitors’ addresses", "Rules"),
        SignalSourcesView("Signal sources", "Rules"),
    )
    return console
