//! The pause container: it holds the namespaces that the containers of a task share.
//!
//! | needed for | namespace |
//! |---|---|
//! | `networkMode` `awsvpc` | network: one address, one set of ports, localhost in common |
//! | `pidMode` `task` | processes |
//! | `ipcMode` `task` | shared memory and semaphores |
//!
//! It is made first and removed last. Its image is one program of some hundred bytes
//! that waits for ever and lets the kernel reap what it inherits; it is made here, so
//! that no registry is asked.

use super::network;
use super::runtime::{ContainerRuntime, NewContainer, RuntimeError};
use super::tar;
use crate::ecs::definition::{IpcMode, NetworkMode, PidMode};
use crate::ecs::plan::TaskPlan;
use bollard::models::{ContainerCreateBody, HostConfig};
use std::collections::HashMap;

/// Name within the task, as the ECS agent has it.
pub(super) const NAME: &str = "~internal~ecs~pause";
const IMAGE: &str = "sealdock-pause:1";

/// Whether a task has one.
pub(super) fn is_needed(plan: &TaskPlan) -> bool {
    plan.network_mode == NetworkMode::Awsvpc
        || plan.pid_mode == Some(PidMode::Task)
        || plan.ipc_mode == Some(IpcMode::Task)
}

/// Makes and starts it. Answers its id.
pub(super) async fn start<R: ContainerRuntime>(
    plan: &TaskPlan,
    name: String,
    labels: HashMap<String, String>,
    cgroup: Option<&str>,
    runtime: &R,
    made: &mut Vec<String>,
) -> Result<String, RuntimeError> {
    if runtime.image(IMAGE).await?.is_none() {
        let program = program(&runtime.architecture().await?)?;
        runtime.import(IMAGE, tar::archive(&[("pause", 0o755, &program)])).await?;
    }
    let body = container(plan, labels, cgroup);
    let id = runtime.create(NewContainer { name, container: NAME.to_owned(), body }).await?;
    made.push(id.clone());
    runtime.start(&id).await?;
    Ok(id)
}

fn container(plan: &TaskPlan, labels: HashMap<String, String>, cgroup: Option<&str>) -> ContainerCreateBody {
    let awsvpc = plan.network_mode == NetworkMode::Awsvpc;
    // With a network in common, these belong to the network.
    let settings = || plan.containers.iter().map(|c| &c.settings).filter(|_| awsvpc);
    let ports: Vec<_> = settings().flat_map(|s| &s.ports).collect();
    let hosts = settings().flat_map(|s| &s.extra_hosts).map(|h| format!("{}:{}", h.hostname, h.ip_address));
    let list = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let host_config = HostConfig {
        cgroup_parent: cgroup.map(str::to_owned),
        network_mode: Some(if awsvpc { "bridge" } else { "none" }.to_owned()),
        ipc_mode: (plan.ipc_mode == Some(IpcMode::Task)).then(|| "shareable".to_owned()),
        port_bindings: network::bindings(&ports),
        dns: list(settings().flat_map(|s| s.dns_servers.clone()).collect()),
        dns_search: list(settings().flat_map(|s| s.dns_search_domains.clone()).collect()),
        extra_hosts: list(hosts.collect()),
        // What a container sets for its network namespace can only be set here.
        sysctls: Some(
            settings()
                .flat_map(|s| &s.system_controls)
                .filter(|(n, _)| n.starts_with("net."))
                .cloned()
                .collect(),
        )
        .filter(|s: &HashMap<_, _>| !s.is_empty()),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        entrypoint: Some(vec!["/pause".to_owned()]),
        hostname: settings().find_map(|s| s.hostname.clone()),
        exposed_ports: list(network::exposed(&ports)),
        labels: Some(labels),
        // It has nothing to finish.
        stop_signal: Some("SIGKILL".to_owned()),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    }
}

/// The program: ignore SIGCHLD, so that the kernel reaps, and sleep for ever.
fn program(architecture: &str) -> Result<Vec<u8>, RuntimeError> {
    // struct sigaction: SIG_IGN, SA_NOCLDWAIT, no restorer, no mask.
    const ACTION: [u64; 4] = [1, 2, 0, 0];
    let (machine, code): (u16, Vec<u8>) = match architecture {
        "amd64" | "x86_64" => (
            62,
            [
                &[0xb8, 13, 0, 0, 0][..],           // mov eax, 13 (rt_sigaction)
                &[0xbf, 17, 0, 0, 0],               // mov edi, 17 (SIGCHLD)
                &[0x48, 0x8d, 0x35, 0x17, 0, 0, 0], // lea rsi, [rip + 23]
                &[0x31, 0xd2],                      // xor edx, edx
                &[0x41, 0xba, 8, 0, 0, 0],          // mov r10d, 8
                &[0x0f, 0x05],                      // syscall
                &[0xb8, 34, 0, 0, 0],               // mov eax, 34 (pause)
                &[0x0f, 0x05],                      // syscall
                &[0xeb, 0xf7],                      // jmp to the last mov
                &[0x90; 4],
            ]
            .concat(),
        ),
        "arm64" | "aarch64" => (
            183,
            [
                0xd280_10c8_u32, // mov x8, 134 (rt_sigaction)
                0xd280_0220,     // mov x0, 17 (SIGCHLD)
                0x1000_0181,     // adr x1, 48 bytes on
                0xd280_0002,     // mov x2, 0
                0xd280_0103,     // mov x3, 8
                0xd400_0001,     // svc 0
                0xd280_0000,     // mov x0, 0
                0xd280_0001,     // mov x1, 0
                0xd280_0002,     // mov x2, 0
                0xd280_0003,     // mov x3, 0
                0xd280_0928,     // mov x8, 73 (ppoll)
                0xd400_0001,     // svc 0
                0x17ff_fffa,     // b six instructions back
                0xd503_201f,     // nop
            ]
            .iter()
            .flat_map(|instruction| instruction.to_le_bytes())
            .collect(),
        ),
        other => {
            let cause = format!("there is no pause program for the architecture `{other}`");
            return Err(RuntimeError::Create { container: NAME.to_owned(), cause });
        }
    };
    let data = ACTION.iter().flat_map(|word| word.to_le_bytes());
    let body: Vec<u8> = code.into_iter().chain(data).collect();
    Ok(executable(machine, &body))
}

/// A static ELF program whose only segment is the file itself.
fn executable(machine: u16, body: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + body.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    elf.extend(2_u16.to_le_bytes()); // ET_EXEC
    elf.extend(machine.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    for word in [BASE + HEADERS, 64, 0] {
        elf.extend(u64::to_le_bytes(word)); // entry, program headers, section headers
    }
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1_u32.to_le_bytes()); // PT_LOAD
    elf.extend(5_u32.to_le_bytes()); // readable and executable
    for word in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend(u64::to_le_bytes(word));
    }
    elf.extend_from_slice(body);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    #[test]
    fn the_program_waits_and_does_not_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pause");
        std::fs::write(&path, program(std::env::consts::ARCH).unwrap()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = std::process::Command::new(&path).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let waited = child.try_wait().unwrap();
        let ignored = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(waited.is_none(), "it ended: {waited:?}");
        let mask = ignored.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        // Bit 16 is signal 17.
        assert_ne!(u64::from_str_radix(mask, 16).unwrap() & (1 << 16), 0, "{ignored}");
        assert!(program("riscv64").unwrap_err().to_string().contains("riscv64"));
        assert_eq!(program("arm64").unwrap().len(), 120 + 56 + 32);
    }
}
