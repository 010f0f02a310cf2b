"""Commands, queries and their replies: what the planes ask of each other, a file for each topic.

A file is imported when one of its names is first asked for: a command needs one or two of them, and making the
classes of all takes longer than most commands run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from trunkline.base.messages.api_keys import ApiKeyMade as ApiKeyMade
    from trunkline.base.messages.api_keys import ApiKeyState as ApiKeyState
    from trunkline.base.messages.api_keys import MakeApiKey as MakeApiKey
    from trunkline.base.messages.api_keys import RemoveApiKey as RemoveApiKey
    from trunkline.base.messages.api_keys import ShowApiKey as ShowApiKey
    from trunkline.base.messages.app_calls import AcceptAppCall as AcceptAppCall
    from trunkline.base.messages.app_calls import AnswerAppChange as AnswerAppChange
    from trunkline.base.messages.app_calls import AppCallDone as AppCallDone
    from trunkline.base.messages.app_calls import AppCallList as AppCallList
    from trunkline.base.messages.app_calls import AppCallOffer as AppCallOffer
    from trunkline.base.messages.app_calls import AppCallRow as AppCallRow
    from trunkline.base.messages.app_calls import AppCallStatus as AppCallStatus
    from trunkline.base.messages.app_calls import AskAppCall as AskAppCall
    from trunkline.base.messages.app_calls import CallPlaced as CallPlaced
    from trunkline.base.messages.app_calls import GetAppCall as GetAppCall
    from trunkline.base.messages.app_calls import HangUpAppCall as HangUpAppCall
    from trunkline.base.messages.app_calls import HoldAppCall as HoldAppCall
    from trunkline.base.messages.app_calls import ListAppCalls as ListAppCalls
    from trunkline.base.messages.app_calls import PlaceCall as PlaceCall
    from trunkline.base.messages.app_calls import PressKeys as PressKeys
    from trunkline.base.messages.app_calls import RejectAppCall as RejectAppCall
    from trunkline.base.messages.app_calls import RingingAppCall as RingingAppCall
    from trunkline.base.messages.app_calls import TransferAppCall as TransferAppCall
    from trunkline.base.messages.bans import AddBan as AddBan
    from trunkline.base.messages.bans import BanAdded as BanAdded
    from trunkline.base.messages.bans import BanList as BanList
    from trunkline.base.messages.bans import BanRow as BanRow
    from trunkline.base.messages.bans import BansCleared as BansCleared
    from trunkline.base.messages.bans import ClearBans as ClearBans
    from trunkline.base.messages.bans import ListBans as ListBans
    from trunkline.base.messages.conferences import ConferenceChanged as ConferenceChanged
    from trunkline.base.messages.conferences import ConferenceList as ConferenceList
    from trunkline.base.messages.conferences import ConferenceMember as ConferenceMember
    from trunkline.base.messages.conferences import ConferenceRow as ConferenceRow
    from trunkline.base.messages.conferences import ListConferences as ListConferences
    from trunkline.base.messages.conferences import MuteMember as MuteMember
    from trunkline.base.messages.conferences import RecordConference as RecordConference
    from trunkline.base.messages.conferences import RemoveMember as RemoveMember
    from trunkline.base.messages.devices import AccountProven as AccountProven
    from trunkline.base.messages.devices import ChangeDevice as ChangeDevice
    from trunkline.base.messages.devices import DeviceFound as DeviceFound
    from trunkline.base.messages.devices import DeviceHeard as DeviceHeard
    from trunkline.base.messages.devices import DeviceList as DeviceList
    from trunkline.base.messages.devices import DeviceRegistered as DeviceRegistered
    from trunkline.base.messages.devices import DeviceRemoved as DeviceRemoved
    from trunkline.base.messages.devices import DeviceRow as DeviceRow
    from trunkline.base.messages.devices import GetDevice as GetDevice
    from trunkline.base.messages.devices import Heartbeat as Heartbeat
    from trunkline.base.messages.devices import ListDevices as ListDevices
    from trunkline.base.messages.devices import ProveAccount as ProveAccount
    from trunkline.base.messages.devices import ProveDevice as ProveDevice
    from trunkline.base.messages.devices import PushTarget as PushTarget
    from trunkline.base.messages.devices import PushTested as PushTested
    from trunkline.base.messages.devices import RegisterDevice as RegisterDevice
    from trunkline.base.messages.devices import RemoveDevice as RemoveDevice
    from trunkline.base.messages.devices import SipAccount as SipAccount
    from trunkline.base.messages.devices import TestPush as TestPush
    from trunkline.base.messages.exchange import ExchangeStatus as ExchangeStatus
    from trunkline.base.messages.exchange import ListenerRow as ListenerRow
    from trunkline.base.messages.exchange import MediaInstanceRow as MediaInstanceRow
    from trunkline.base.messages.exchange import PushServiceRow as PushServiceRow
    from trunkline.base.messages.exchange import Status as Status
    from trunkline.base.messages.exchange import Stop as Stop
    from trunkline.base.messages.exchange import Stopping as Stopping
    from trunkline.base.messages.extensions import DEFAULT_CALLS as DEFAULT_CALLS
    from trunkline.base.messages.extensions import AddExtension as AddExtension
    from trunkline.base.messages.extensions import ExportExtensions as ExportExtensions
    from trunkline.base.messages.extensions import ExportList as ExportList
    from trunkline.base.messages.extensions import ExportRow as ExportRow
    from trunkline.base.messages.extensions import ExtensionAdded as ExtensionAdded
    from trunkline.base.messages.extensions import ExtensionChanged as ExtensionChanged
    from trunkline.base.messages.extensions import ExtensionList as ExtensionList
    from trunkline.base.messages.extensions import ExtensionRemoved as ExtensionRemoved
    from trunkline.base.messages.extensions import ExtensionRow as ExtensionRow
    from trunkline.base.messages.extensions import ExtensionsImported as ExtensionsImported
    from trunkline.base.messages.extensions import GeneratedPassword as GeneratedPassword
    from trunkline.base.messages.extensions import ImportExtensions as ImportExtensions
    from trunkline.base.messages.extensions import ImportRow as ImportRow
    from trunkline.base.messages.extensions import ListExtensions as ListExtensions
    from trunkline.base.messages.extensions import RemoveExtension as RemoveExtension
    from trunkline.base.messages.extensions import RowProblem as RowProblem
    from trunkline.base.messages.extensions import SetExtension as SetExtension
    from trunkline.base.messages.live import CallList as CallList
    from trunkline.base.messages.live import CallParty as CallParty
    from trunkline.base.messages.live import CallRow as CallRow
    from trunkline.base.messages.live import HangUp as HangUp
    from trunkline.base.messages.live import HungUp as HungUp
    from trunkline.base.messages.live import ListCalls as ListCalls
    from trunkline.base.messages.live import ListRegistrations as ListRegistrations
    from trunkline.base.messages.live import RegistrationList as RegistrationList
    from trunkline.base.messages.live import RegistrationRow as RegistrationRow
    from trunkline.base.messages.media import DrainMedia as DrainMedia
    from trunkline.base.messages.media import MediaDrained as MediaDrained
    from trunkline.base.messages.operation import Drain as Drain
    from trunkline.base.messages.operation import DrainState as DrainState
    from trunkline.base.messages.operation import LoggerRow as LoggerRow
    from trunkline.base.messages.operation import LogState as LogState
    from trunkline.base.messages.operation import Reload as Reload
    from trunkline.base.messages.operation import Reloaded as Reloaded
    from trunkline.base.messages.operation import SetLogLevel as SetLogLevel
    from trunkline.base.messages.operation import SettingChange as SettingChange
    from trunkline.base.messages.operation import ShowLog as ShowLog
    from trunkline.base.messages.past import AttemptRow as AttemptRow
    from trunkline.base.messages.past import BoundRow as BoundRow
    from trunkline.base.messages.past import ExplainCall as ExplainCall
    from trunkline.base.messages.past import ExplainNumber as ExplainNumber
    from trunkline.base.messages.past import ExplainRegister as ExplainRegister
    from trunkline.base.messages.past import Explanation as Explanation
    from trunkline.base.messages.past import ListRecords as ListRecords
    from trunkline.base.messages.past import RecentRegisters as RecentRegisters
    from trunkline.base.messages.past import RecordList as RecordList
    from trunkline.base.messages.past import RecordRow as RecordRow
    from trunkline.base.messages.past import RegisterHistory as RegisterHistory
    from trunkline.base.messages.past import StoryStep as StoryStep
    from trunkline.base.messages.recordings import ListRecordings as ListRecordings
    from trunkline.base.messages.recordings import RecordingList as RecordingList
    from trunkline.base.messages.recordings import RecordingRow as RecordingRow
    from trunkline.base.messages.recordings import RecordingStarted as RecordingStarted
    from trunkline.base.messages.recordings import RecordingStopped as RecordingStopped
    from trunkline.base.messages.recordings import StartRecording as StartRecording
    from trunkline.base.messages.recordings import StopRecording as StopRecording
    from trunkline.base.messages.registrations import RegistrationsRemoved as RegistrationsRemoved
    from trunkline.base.messages.registrations import RemoveRegistrations as RemoveRegistrations
    from trunkline.base.messages.request import MAX_PAGE as MAX_PAGE
    from trunkline.base.messages.request import PAGE as PAGE
    from trunkline.base.messages.request import Command as Command
    from trunkline.base.messages.request import Problem as Problem
    from trunkline.base.messages.request import Query as Query
    from trunkline.base.messages.request import Refused as Refused
    from trunkline.base.messages.request import Request as Request
    from trunkline.base.messages.subscriptions import ListMailboxes as ListMailboxes
    from trunkline.base.messages.subscriptions import ListSubscriptions as ListSubscriptions
    from trunkline.base.messages.subscriptions import MailboxList as MailboxList
    from trunkline.base.messages.subscriptions import MailboxRow as MailboxRow
    from trunkline.base.messages.subscriptions import MailboxState as MailboxState
    from trunkline.base.messages.subscriptions import SetMessagesWaiting as SetMessagesWaiting
    from trunkline.base.messages.subscriptions import SubscriptionList as SubscriptionList
    from trunkline.base.messages.subscriptions import SubscriptionRow as SubscriptionRow
    from trunkline.base.messages.tenants import AddDomain as AddDomain
    from trunkline.base.messages.tenants import AddTenant as AddTenant
    from trunkline.base.messages.tenants import ListTenants as ListTenants
    from trunkline.base.messages.tenants import RemoveDomain as RemoveDomain
    from trunkline.base.messages.tenants import RemoveTenant as RemoveTenant
    from trunkline.base.messages.tenants import SetTenant as SetTenant
    from trunkline.base.messages.tenants import TenantChanged as TenantChanged
    from trunkline.base.messages.tenants import TenantList as TenantList
    from trunkline.base.messages.tenants import TenantRemoved as TenantRemoved
    from trunkline.base.messages.tenants import TenantRow as TenantRow
    from trunkline.base.messages.texts import DropTexts as DropTexts
    from trunkline.base.messages.texts import ListWaiting as ListWaiting
    from trunkline.base.messages.texts import TextsDropped as TextsDropped
    from trunkline.base.messages.texts import WaitingList as WaitingList
    from trunkline.base.messages.texts import WaitingRow as WaitingRow
    from trunkline.base.messages.trace import PastTrace as PastTrace
    from trunkline.base.messages.trace import ReadTrace as ReadTrace
    from trunkline.base.messages.trace import StartTrace as StartTrace
    from trunkline.base.messages.trace import StopTrace as StopTrace
    from trunkline.base.messages.trace import TracedMessage as TracedMessage
    from trunkline.base.messages.trace import TracePage as TracePage
    from trunkline.base.messages.trace import TraceStarted as TraceStarted
    from trunkline.base.messages.trace import TraceStopped as TraceStopped
    from trunkline.base.messages.trunks import ListTrunks as ListTrunks
    from trunkline.base.messages.trunks import TrunkList as TrunkList
    from trunkline.base.messages.trunks import TrunkRow as TrunkRow

# What each file has for others.
_FILES: Final = {
    "api_keys": ("ApiKeyMade", "ApiKeyState", "MakeApiKey", "RemoveApiKey", "ShowApiKey"),
    "app_calls": (
        "AcceptAppCall",
        "AnswerAppChange",
        "AppCallDone",
        "AppCallList",
        "AppCallOffer",
        "AppCallRow",
        "AppCallStatus",
        "AskAppCall",
        "CallPlaced",
        "GetAppCall",
        "HangUpAppCall",
        "HoldAppCall",
        "ListAppCalls",
        "PlaceCall",
        "PressKeys",
        "RejectAppCall",
        "RingingAppCall",
        "TransferAppCall",
    ),
    "bans": ("AddBan", "BanAdded", "BanList", "BanRow", "BansCleared", "ClearBans", "ListBans"),
    "conferences": (
        "ConferenceChanged",
        "ConferenceList",
        "ConferenceMember",
        "ConferenceRow",
        "ListConferences",
        "MuteMember",
        "RecordConference",
        "RemoveMember",
    ),
    "devices": (
        "AccountProven",
        "ChangeDevice",
        "DeviceFound",
        "DeviceHeard",
        "DeviceList",
        "DeviceRegistered",
        "DeviceRemoved",
        "DeviceRow",
        "GetDevice",
        "Heartbeat",
        "ListDevices",
        "ProveAccount",
        "ProveDevice",
        "PushTarget",
        "PushTested",
        "RegisterDevice",
        "RemoveDevice",
        "SipAccount",
        "TestPush",
    ),
    "exchange": (
        "ExchangeStatus",
        "ListenerRow",
        "MediaInstanceRow",
        "PushServiceRow",
        "Status",
        "Stop",
        "Stopping",
    ),
    "extensions": (
        "DEFAULT_CALLS",
        "AddExtension",
        "ExportExtensions",
        "ExportList",
        "ExportRow",
        "ExtensionAdded",
        "ExtensionChanged",
        "ExtensionList",
        "ExtensionRemoved",
        "ExtensionRow",
        "ExtensionsImported",
        "GeneratedPassword",
        "ImportExtensions",
        "ImportRow",
        "ListExtensions",
        "RemoveExtension",
        "RowProblem",
        "SetExtension",
    ),
    "live": (
        "CallList",
        "CallParty",
        "CallRow",
        "HangUp",
        "HungUp",
        "ListCalls",
        "ListRegistrations",
        "RegistrationList",
        "RegistrationRow",
    ),
    "media": ("DrainMedia", "MediaDrained"),
    "operation": (
        "Drain",
        "DrainState",
        "LoggerRow",
        "LogState",
        "Reload",
        "Reloaded",
        "SetLogLevel",
        "SettingChange",
        "ShowLog",
    ),
    "past": (
        "AttemptRow",
        "BoundRow",
        "ExplainCall",
        "ExplainNumber",
        "ExplainRegister",
        "Explanation",
        "ListRecords",
        "RecentRegisters",
        "RecordList",
        "RecordRow",
        "RegisterHistory",
        "StoryStep",
    ),
    "recordings": (
        "ListRecordings",
        "RecordingList",
        "RecordingRow",
        "RecordingStarted",
        "RecordingStopped",
        "StartRecording",
        "StopRecording",
    ),
    "registrations": ("RegistrationsRemoved", "RemoveRegistrations"),
    "request": ("MAX_PAGE", "PAGE", "Command", "Problem", "Query", "Refused", "Request"),
    "subscriptions": (
        "ListMailboxes",
        "ListSubscriptions",
        "MailboxList",
        "MailboxRow",
        "MailboxState",
        "SetMessagesWaiting",
        "SubscriptionList",
        "SubscriptionRow",
    ),
    "tenants": (
        "AddDomain",
        "AddTenant",
        "ListTenants",
        "RemoveDomain",
        "RemoveTenant",
        "SetTenant",
        "TenantChanged",
        "TenantList",
        "TenantRemoved",
        "TenantRow",
    ),
    "texts": ("DropTexts", "ListWaiting", "TextsDropped", "WaitingList", "WaitingRow"),
    "trace": (
        "PastTrace",
        "ReadTrace",
        "StartTrace",
        "StopTrace",
        "TracedMessage",
        "TracePage",
        "TraceStarted",
        "TraceStopped",
    ),
    "trunks": ("ListTrunks", "TrunkList", "TrunkRow"),
}
_FILE_OF: Final = {name: file for file, names in _FILES.items() for name in names}


if not TYPE_CHECKING:  # else names that do not exist would be found as well

    def __getattr__(name: str) -> Any:
        """A name of one of the files (PEP 562)."""
        if name not in _FILE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(_imported(_FILE_OF[name]), name)
        globals()[name] = found
        return found


def import_all() -> None:
    """Make every message known to ``message_codec.decode``."""
    for file in _FILES:
        _imported(file)


def _imported(file: str) -> Any:
    return import_module(f"{__name__}.{file}")
