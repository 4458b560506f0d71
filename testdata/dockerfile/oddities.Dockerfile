from alpine:3 as Base
run echo a \

  # comment
	b
env a b c
label "k k"=v x='y z'
volume ["/a", "/b"] 
copy --link=false --exclude=*.md --parents a/./b /c
RUN --mount='type=secret,id=s,env=TOKEN' --device=vendor.test/gpu=all,required --security=insecure x
FROM BASE:latest
maintainer me
