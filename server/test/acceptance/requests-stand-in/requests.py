"""A stand-in for the requests package, for machines that lack it: post() with a JSON body, over urllib. Used by the tests only."""
import json as _json
import urllib.error
import urllib.request


class Response:
    def __init__(self, status_code, content):
        self.status_code = status_code
        self.text = content.decode("utf-8")

    def json(self):
        return _json.loads(self.text)


def post(url, headers=None, json=None):
    request = urllib.request.Request(url, data=_json.dumps(json).encode("utf-8"), headers=headers or {}, method="POST")
    try:
        with urllib.request.urlopen(request) as reply:
            return Response(reply.status, reply.read())
    except urllib.error.HTTPError as error:
        return Response(error.code, error.read())
