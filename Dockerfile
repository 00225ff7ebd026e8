# Two stages: one that installs, one that runs. Needs no network at run time, no root, and no writable root file system
# (mount /var/lib/rotator for the state and /tmp). Kept simple on purpose: it is not built by this repository's CI.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/rotator && /opt/rotator/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY rotator ./rotator
RUN /opt/rotator/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
# Times in logs and in a library's arithmetic are UTC everywhere.
ENV TZ=UTC PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/rotator/bin:$PATH
COPY --from=build /opt/rotator /opt/rotator
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin rotator \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/rotator
USER 10001:10001
VOLUME /var/lib/rotator
EXPOSE 8080
ENTRYPOINT ["rotator"]
CMD ["run", "--config", "/etc/rotator/config.yaml"]
