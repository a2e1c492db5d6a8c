"""A platform that tells its events to the front while hosts are worked on."""

import concurrent.futures
import http.client
import json
import threading
import time
from http import HTTPStatus
from typing import Self

from config.simulation import event_parts, event_stream, sender
from tests.deployment import losses, production

EVENTS = 500


class EventSender:
    """Posts a stream, each event once, for as long as a block lasts; notes what was not answered 2xx."""

    def __init__(self, *, built: production.Production, told: losses.ToldFacts, seed: int, pause_s: float) -> None:
        self._secrets, self._ended, self._told = built.webhook_secrets(), threading.Event(), told
        self._stream = event_stream.draw(seed=seed, count=EVENTS)
        self._pause_s = pause_s
        self.findings: list[str] = []
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Tell the rest of the stream, so that every event has what it waits for."""
        self._ended.set()
        self._thread.join()

    def _tell(self) -> None:
        self._told.keys |= self._stream.keys
        with concurrent.futures.ThreadPoolExecutor(max_workers=4) as threads:
            for event in self._stream.events:
                threads.submit(self._one, event)
                self._ended.wait(self._pause_s)

    def _one(self, event: event_parts.EventBody) -> None:
        body = json.dumps(event, ensure_ascii=False).encode()
        signed = sender.headers(body=body, secret=self._secrets[sender.service_of(event=event)])
        connection = http.client.HTTPSConnection(production.PUBLIC_HOST, timeout=70)
        try:
            connection.request("POST", sender.PATH, body=body, headers=signed)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.findings.append(f"event {event['id']}: no answer, {type(error).__name__}")
            return
        finally:
            connection.close()
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            self.findings.append(f"event {event['id']}: answered {answer.status} at {time.strftime('%H:%M:%S')}")
        else:
            self._told.answers[str(event["id"])] = str(json.loads(said).get("status"))
