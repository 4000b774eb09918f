"""The routes of applications.py in Falcon."""

import os
import time

import falcon


class Hello:
    def on_get(self, request, response):
        response.text = "Hello, %s!" % request.get_param("name", default="world")

    on_head = on_get


class Echo:
    def on_post(self, request, response):
        response.content_type = "application/octet-stream"
        response.data = request.bounded_stream.read()


class Upload:
    def on_post(self, request, response):
        said = {}
        for part in request.get_media():
            data = part.stream.read()
            said[part.name] = (part.filename, data)
        name, data = said["file"]
        response.text = "%s %s %d %d" % (said["field"][1].decode(), name, len(data), sum(data))


class Cookies:
    def on_get(self, request, response):
        response.set_cookie("one", "1", secure=False)
        response.set_cookie("two", "2", secure=False, http_only=True)
        response.text = request.cookies.get("old", "none")


class Stream:
    def on_get(self, request, response):
        wait = request.get_param("wait")

        def pieces():
            yield b"first\n"
            while wait and not os.path.exists(wait):
                time.sleep(0.01)
            yield b"second\n"
        response.content_type = "text/plain"
        response.stream = pieces()


def path(request, response, rest):
    response.text = ascii([rest, request.app, request.path])


class Redirect:
    def on_get(self, request, response):
        raise falcon.HTTPFound(request.app + "/hello?name=x")


class ETag:
    def on_get(self, request, response):
        response.etag = "tag"
        if request.if_none_match and response.etag.strip('"') in map(str, request.if_none_match):
            response.status = falcon.HTTP_304
        else:
            response.text = "tagged"


class Error:
    def on_get(self, request, response):
        raise ValueError("broken on purpose")


app = falcon.App(media_type="text/html; charset=utf-8")
app.req_options.media_handlers[falcon.MEDIA_MULTIPART] = falcon.media.MultipartFormHandler()
app.req_options.media_handlers[falcon.MEDIA_MULTIPART].parse_options.max_body_part_buffer_size = 8 << 20
app.add_route("/hello", Hello())
app.add_route("/echo", Echo())
app.add_route("/upload", Upload())
app.add_route("/cookies", Cookies())
app.add_route("/stream", Stream())
app.add_sink(path, r"/path/(?P<rest>.*)")
app.add_route("/redirect", Redirect())
app.add_route("/etag", ETag())
app.add_route("/error", Error())
