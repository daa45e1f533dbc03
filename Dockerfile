# The page and its HTTP interface: docker build -t ser . && docker run --rm -p 127.0.0.1:7860:7860 ser
# It prints the address with its token.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY ser ser
RUN python -m venv /opt/ser && /opt/ser/bin/pip install --no-cache-dir '.[app]'

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 ser
COPY --from=build /opt/ser /opt/ser
USER 10001
ENV PATH=/opt/ser/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/health', timeout=3)"]
ENTRYPOINT ["ser", "app", "--host", "0.0.0.0"]
