"""The Django application that the benchmark serves: one page as long as httpbin's front page."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

PAGE_SIZE = 9593  # the size of httpbin.org's front page when the post was written

head = "<!DOCTYPE html>\n<html>\n<head><title>example</title></head>\n<body>\n"
foot = "</body>\n</html>\n"
line = "<p>A page of nothing in particular, as long as the page that the post fetches.</p>\n"
filling = (line * 200)[:PAGE_SIZE - len(head) - len(foot)]
page = head + filling + foot

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="nothing here is secret",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # sets Content-Length
)

urlpatterns = [path("", lambda request: HttpResponse(page))]
application = get_wsgi_application()
