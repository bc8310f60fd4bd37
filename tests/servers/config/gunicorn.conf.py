import sys

sys.dont_write_bytecode = True
bind = "127.0.0.1:@port@"
chdir = "@app@"
wsgi_app = "app"
worker_class = "@worker_class@"
threads = 32
keepalive = @keep_alive@
max_requests = @max_requests@
graceful_timeout = 3
worker_tmp_dir = "/dev/shm"  # The heartbeat file that each worker touches must not wait for a disk.
raw_env = ["FERRY_GENERATION=@generation@", "FERRY_ARRIVALS=@directory@/arrivals.log"]
accesslog = "@directory@/access.log"
access_log_format = "%({remote_port}e)s %(m)s %(U)s %(s)s"


def pre_request(worker, request):
    if request.path.startswith("/old"):
        request.version = (1, 0)  # gunicorn answers in the request's version.
