//! Amounts with a unit: `2GB`, `0.5 vCPU`.

/// Units of memory, in MiB.
pub(super) const MEMORY_UNITS: &[(&str, f64)] =
    &[("gib", 1024.0), ("gb", 1024.0), ("mib", 1.0), ("mb", 1.0), ("g", 1024.0), ("m", 1.0)];

/// A whole number, with or without a unit.
pub(super) fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(plain) = text.parse::<u32>() {
        return Some(plain);
    }
    let (digits, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), factor)))?;
    if !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let amount = digits.parse::<f64>().ok()? * factor;
    // Whole units only, and few enough that the conversion is exact.
    let whole = amount.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&amount);
    whole.then(|| format!("{amount}").parse().ok()).flatten()
}
