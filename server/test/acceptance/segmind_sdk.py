"""What Segmind's Python SDK (1.1.0 and later) does on the wire, in code of our own over urllib: run() submits, polls and fetches by v2,
run_sync() asks v1. Called as: segmind_sdk.py BASE_URL API_KEY COMMAND [JSON]; prints what the call gives, or which error it raises."""
import json
import re
import sys
import time
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 30
POLL_SECONDS = 1.0
WAIT_SECONDS = 600


class SegmindError(Exception):
    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class InferenceFailed(SegmindError):
    pass


class Segmind:
    def __init__(self, api_key, base_url="https://api.segmind.com/v1"):
        self.base_url = base_url.rstrip("/")
        self.v2_url = re.sub(r"/v\d+$", "", self.base_url) + "/v2"
        self.headers = {"User-Agent": "segmind-python-sdk/1.3.0", "X-Initiator": "SDK-PY"}
        if api_key:
            self.headers["x-api-key"] = api_key

    def request(self, method, url, body=None, content_type="application/json"):
        headers = dict(self.headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode("utf-8")
            headers["Content-Type"] = content_type
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def run_sync(self, slug, content_type="application/json", **parameters):
        status, headers, body = self.request("POST", f"{self.base_url}/{slug}", parameters, content_type)
        raise_for_status(status, body)
        return {"cost": headers["x-cost"], "remaining": headers["x-remaining-credits"], "body": json.loads(body)}

    def submit(self, slug, **parameters):
        status, _, body = self.request("POST", f"{self.v2_url}/{slug}", parameters)
        raise_for_status(status, body)
        submission = json.loads(body)
        for field in ("request_id", "status_url", "response_url"):
            if not submission.get(field):
                raise SegmindError(f"the submission has no {field}")
        return submission

    def poll(self, url):
        """A body that tells a final state is taken whatever the status of the reply."""
        status, _, body = self.request("GET", url)
        try:
            reply = json.loads(body)
        except ValueError:
            reply = None
        if isinstance(reply, dict) and reply.get("status") in ("COMPLETED", "FAILED"):
            return reply
        raise_for_status(status, body)
        return reply

    def run(self, slug, **parameters):
        submission = self.submit(slug, **parameters)
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            reply = self.poll(submission["status_url"])
            if reply["status"] == "FAILED":
                raise InferenceFailed(reply.get("error"))
            if reply["status"] == "COMPLETED":
                break
            if time.monotonic() > deadline:
                raise SegmindError("timed out")
            time.sleep(POLL_SECONDS)
        result = self.poll(submission["response_url"])
        # As for every text model, output is a string that holds the provider's JSON.
        result["output"] = json.loads(result["output"])
        return result

    def get(self, path):
        status, headers, body = self.request("GET", f"{self.base_url}/{path}")
        return {"status": status, "type": headers["Content-Type"], "body": body.decode("utf-8")}


def raise_for_status(status, body):
    if 200 <= status < 400:
        return
    try:
        message = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        message = body.decode("utf-8")
    raise SegmindError(message, status)


def main(base_url, api_key, command, parameters="{}"):
    client = Segmind(api_key, base_url)
    given = json.loads(parameters)
    try:
        print(json.dumps(getattr(client, command)(**given)))
    except SegmindError as error:
        print(json.dumps({"raises": type(error).__name__, "status": error.status, "message": str(error)}))


main(*sys.argv[1:])
