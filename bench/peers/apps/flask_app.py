"""A Flask application: /hello."""
from flask import Flask

application = Flask(__name__)


@application.get("/hello")
def hello():
    return "Hello, world!\n"
