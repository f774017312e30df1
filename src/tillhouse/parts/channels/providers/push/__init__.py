"""Pushes: to phones by FCM's HTTP v1 API, to browsers by Web Push (RFC 8030, 8188, 8291, 8292)."""

from tillhouse.parts.channels.providers.push.fcm import FcmCarrier
from tillhouse.parts.channels.providers.push.web import WebPushCarrier, application_key

__all__ = ["FcmCarrier", "WebPushCarrier", "application_key"]
