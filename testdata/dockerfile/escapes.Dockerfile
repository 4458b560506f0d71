# escape=`
FROM mcr.test/windows/servercore:ltsc2022
SHELL ["powershell", "-Command"]
WORKDIR C:\app
RUN Get-ChildItem `
    C:\ `
    | Out-Null
COPY --from="quoted:1" a\b "c d\"
ENV A="1`"2" B=three` four
