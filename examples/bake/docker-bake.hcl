# docker buildx bake: every target of the group is built by the frontend, whatever the Dockerfiles' first lines say.
variable "FRONTEND" {
  default = "registry.example.com/org/verified-dockerfile@sha256:485e098f8d0061f1771a3f35ba6efa5069ad20319b44e9419e2b8484b1b3843e"
}

group "default" {
  targets = ["api", "web"]
}

target "verified" {
  args = {
    BUILDKIT_SYNTAX = FRONTEND
    VERIFIED_LOCKED = "1"
  }
  platforms = ["linux/amd64", "linux/arm64"]
}

target "api" {
  inherits = ["verified"]
  context  = "api"
}

target "web" {
  inherits = ["verified"]
  context  = "web"
}
